"""The optimum of expected reward minus a convex price, by Newton steps on the simplex.

The search sees the objective and its derivatives, for whatever regulariser it is given. Each step solves the quadratic
model of the objective in the probabilities, subject to their sum; the step is taken through sign(a) log1p|a|, where a is the
relative change, which keeps probabilities positive and their logarithms accurate. The step size is searched for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array, require_log_probs, require_same_shape
from bandits.problem import TabularBandit
from bandits.regularisers import Regulariser, as_regulariser
from bandits.solution import Certificate, Solution, Status, worst_status

__all__ = ["maximise_value"]

_ROUNDING = 4 * np.finfo(np.float64).eps
_BLOCK = 32768  # entries of the policy worked on at a time: what a processor's cache holds
_LOST = 1e-17  # probability below which an action that wants none is given none


def maximise_value(
    bandit: TabularBandit,
    *,
    start: Any = None,
    rng: np.random.Generator | None = None,
    regulariser: str | Regulariser | Any = "kl",
    tol: float = 1e-13,
    max_steps: int = 2000,
) -> Solution:
    r"""argmax over policies of E_x[ E_pi r(x, y) - beta sum_y ref(y|x) f(pi(y|x) / ref(y|x)) ], by search.

    Args:
        bandit: the problem. Actions of reward -inf or without support keep log-probability -inf.
        start: (X, A) log-policy to start from, positive wherever an action is allowed; default the reference.
        rng: draws a random start (uniform on the simplex) when no start is given.
        regulariser: "kl", "chi-square", "forward-kl", "jensen-shannon", "chi-square+kl", a Regulariser, or a convex f(u).
        tol: the search stops when no log-probability moves by more than this, relative to 1 + its size.
        max_steps: then the status is not_converged.

    Returns:
        Solution. Its certificate bounds the value by the Frank-Wolfe gap max_i g_i - E_pi g, and every log-probability
        by the spread of the marginal values over the least curvature: both hold for any point, whoever proposes it.

    Raises:
        ValueError: the start is not a policy or misses an allowed action, or the regulariser is unknown.

    Source: the objective is Rafailov et al. 2023, arXiv:2305.18290, eq. 3, for the KL regulariser.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> maximise_value(bandit, rng=np.random.default_rng(0)).policy.round(4)
    array([[0.9187, 0.0746, 0.0067]])
    >>> maximise_value(bandit, regulariser="chi-square").policy.round(4)
    array([[1., 0., 0.]])
    """
    price = as_regulariser(regulariser)
    allowed = bandit.support & (bandit.reward > -np.inf)
    begin = _start(bandit, allowed, start, rng)
    rows = max(1, _BLOCK // bandit.n_actions)
    ends = []
    for first in range(0, bandit.n_contexts, rows):
        block = slice(first, first + rows)
        ends.append(_ascend(_Problem(bandit, price, allowed[block], block), begin[block], tol, max_steps))
    log_policy, free, done = (np.concatenate([getattr(end, name) for end in ends]) for name in ("log_policy", "free", "done"))
    return _Problem(bandit, price, allowed, slice(None)).solution(log_policy, free, max(end.steps for end in ends), done)


class _Ascent(NamedTuple):
    """Where one block of contexts ended."""

    log_policy: Array
    free: Array
    done: Array
    steps: int


def _ascend(problem: _Problem, begin: Array, tol: float, max_steps: int) -> _Ascent:
    log_policy = problem.normalise(begin)
    allowed = problem.allowed
    free, steps, done = allowed.copy(), 0, np.zeros(len(allowed), dtype=bool)
    value, last = problem.values(log_policy), np.full(len(allowed), np.inf)
    while not done.all() and steps < max_steps:
        steps += 1
        relative, size, promised = problem.newton_step(log_policy, free)
        settled = (size <= tol) | ((size < 1e-6) & (size > last / 2))
        log_policy, value = problem.search(log_policy, value, relative, ~done, promised)
        kept = problem.drop_and_release(log_policy, free)
        log_policy = problem.normalise(np.where(kept, np.where(free, log_policy, np.log(_LOST)), -np.inf))
        unchanged, free = (kept == free).all(axis=1), kept
        done |= settled & unchanged
        last = np.where(unchanged, size, np.inf)
    return _Ascent(log_policy, free, done, steps)


def _start(bandit: TabularBandit, allowed: Array, start: Any, rng: np.random.Generator | None) -> Array:
    if start is not None:
        found = require_log_probs("start", start)
        require_same_shape(reward=bandit.reward, start=found)
        if (allowed & ~(found > -np.inf)).any():
            where = tuple(int(i) for i in np.argwhere(allowed & ~(found > -np.inf))[0])
            raise ValueError(f"start is -inf at {where}, expected a positive probability for every action that is allowed.")
        return np.where(allowed, found, -np.inf)
    if rng is not None:
        return np.where(allowed, np.log(rng.exponential(size=allowed.shape)), -np.inf)
    return np.where(allowed, bandit.log_ref, -np.inf)


class _Problem:
    """The objective and its derivatives, one row per context of a block."""

    def __init__(self, bandit: TabularBandit, price: Regulariser, allowed: Array, block: slice) -> None:
        self.bandit, self.price, self.allowed = bandit, price, allowed
        self.reference = bandit.log_ref[block]
        self.reward = np.where(allowed, bandit.reward[block], 0.0)
        self.log_ref = np.where(allowed, self.reference, 0.0)

    def normalise(self, log_policy: Array) -> Array:
        top = log_policy.max(axis=1, keepdims=True)
        return log_policy - top - np.log(np.sum(np.exp(log_policy - top), axis=1, keepdims=True))

    def values(self, log_policy: Array) -> Array:
        cost = self.price.divergence(log_policy, self.reference)
        return np.sum(np.exp(log_policy) * self.reward, axis=1) - self.bandit.beta * cost

    def marginal(self, log_policy: Array, free: Array) -> Array:
        """(X, A) derivative of the objective in each probability; 0 where the action is not free."""
        ratio = np.where(free, log_policy - self.log_ref, 0.0)
        return np.where(free, self.reward - self.bandit.beta * self.price.slope(ratio), 0.0)

    def curvature(self, log_policy: Array, free: Array) -> Array:
        """(X, A) minus the second derivative in the probability, times the probability; 1 where not free."""
        ratio = np.where(free, log_policy - self.log_ref, 0.0)
        return np.where(free, self.bandit.beta * self.price.curvature(ratio), 1.0)

    def multiplier(self, log_policy: Array, free: Array) -> tuple[Array, Array, Array]:
        """Marginal values, curvatures, and the (X, 1) multiplier that makes the Newton step sum to 0."""
        gain, bend = self.marginal(log_policy, free), self.curvature(log_policy, free)
        ease = np.where(free, np.exp(log_policy) / bend, 0.0)
        centre = np.max(np.where(free, gain, -np.inf), axis=1, keepdims=True)
        offset = np.where(free, gain - centre, 0.0)
        return gain, bend, centre + np.sum(ease * offset, axis=1, keepdims=True) / np.sum(ease, axis=1, keepdims=True)

    def newton_step(self, log_policy: Array, free: Array) -> tuple[Array, Array, Array]:
        """The relative change of each probability, the largest move of a log-probability, and the gain that the model promises."""
        gain, bend, level = self.multiplier(log_policy, free)
        relative = np.where(free, (gain - level) / bend, 0.0)
        size = np.max(np.log1p(np.abs(relative)) / (1 + np.abs(np.where(free, log_policy, 0.0))), axis=1)
        promised = np.sum(np.where(free, np.exp(log_policy) * bend * relative**2, 0.0), axis=1)
        return relative, size, promised

    def search(self, log_policy: Array, value: Array, relative: Array, active: Array, promised: Array) -> tuple[Array, Array]:
        """Halve the step of each context until its objective does not fall; a gain below rounding is taken on trust."""
        scale = np.where(active, 1.0, 0.0)[:, None]
        policy, free = np.exp(log_policy), log_policy > -np.inf
        digits = 1 + np.abs(np.where(free, log_policy, 0.0)) + np.abs(self.log_ref)  # an exponential loses as many
        prices = digits * (np.abs(self.reward) + np.abs(self.marginal(log_policy, free)))
        slack = _ROUNDING * (np.abs(value) + np.sum(np.where(free, policy * prices, 0.0), axis=1))
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(60):
                trial = self.normalise(log_policy + np.sign(relative) * np.log1p(scale * np.abs(relative)))
                found = self.values(trial)
                worse = active & (promised > slack) & ~(found >= value - slack)
                if not worse.any():
                    break
                scale = np.where(worse[:, None], scale / 4, scale)
        keep = active[:, None]
        return np.where(keep, trial, log_policy), np.where(active, found, value)

    def drop_and_release(self, log_policy: Array, free: Array) -> Array:
        """The free actions after the Karush-Kuhn-Tucker signs have been looked at, for prices finite at probability 0."""
        if self.price.slope_at_zero == -np.inf:
            return free
        _, _, level = self.multiplier(log_policy, free)
        at_zero = self.reward - self.bandit.beta * self.price.slope_at_zero
        slack = 8 * _ROUNDING * (1 + np.abs(level) + np.abs(at_zero))
        wants_none = at_zero <= level + slack
        return self.allowed & np.where(free, ~(wants_none & (log_policy < np.log(_LOST))), ~wants_none)

    def solution(self, log_policy: Array, free: Array, steps: int, done: Array) -> Solution:
        gain, bend, level = self.multiplier(log_policy, free)
        spread = np.max(np.where(free, np.abs(gain - level), 0.0), axis=1)
        blocked = self.allowed & ~free
        at_zero = np.where(blocked, self.reward - self.bandit.beta * self.price.slope_at_zero, -np.inf)
        best = np.maximum(np.max(np.where(free, gain, -np.inf), axis=1), np.max(at_zero, axis=1))
        policy = np.where(free, np.exp(log_policy), 0.0)
        scale = np.abs(level[:, 0]) + np.max(np.where(free, np.abs(self.reward), 0.0), axis=1)
        gap = np.maximum(best - np.sum(policy * gain, axis=1), 0.0) + _ROUNDING * scale
        over = np.maximum(np.max(at_zero, axis=1) - level[:, 0], 0.0)
        rounding = np.max(np.where(free, np.abs(log_policy) / bend, 0.0), axis=1) * self.bandit.beta + scale / np.min(
            np.where(free, bend, np.inf), axis=1
        )
        distance = 2 * (spread + over) / np.min(np.where(free, bend, np.inf), axis=1) + _ROUNDING * rounding
        statuses = tuple(Status.OPTIMAL if flag else Status.NOT_CONVERGED for flag in done)
        weight = self.bandit.context_probs
        return Solution(
            log_policy=np.where(free, log_policy, -np.inf),
            value=float(weight @ self.values(np.where(free, log_policy, -np.inf))),
            gradient_norm=float(np.max(np.abs(policy * np.where(free, gain - level, 0.0)))),
            steps=steps,
            status=worst_status(statuses),
            certificate=Certificate(
                gap_bound=float(weight @ gap),
                distance_bound=float(distance.max()),
                reason=(
                    f"marginal values agree to {spread.max():.1e} on the actions taken"
                    + (f", and {int(blocked.sum())} actions left at probability 0 would not pay" if blocked.any() else "")
                    + ": a concave objective, so the gap and the distance follow"
                    if done.all()
                    else f"no end after {steps} steps; marginal values still differ by {spread.max():.1e}"
                ),
                statuses=statuses,
            ),
        )
