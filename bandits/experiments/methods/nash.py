"""Nash policies: what no other policy is preferred to, with and without a price on leaving the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array, as_numpy
from bandits.problem import TabularBandit
from bandits.sample import preference_matrix

__all__ = ["Nash", "exploitability", "nash_policy", "seen_preferences"]


@dataclass(frozen=True)
class Nash:
    """The Nash policy of the preferences: those of the population, or the shares of wins in the data (1/2 where a pair was not compared).

    Args:
        regularised: True subtracts beta KL(pi || pi_ref) from each player's payoff; False is the plain game.
    """

    regularised: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Array:
        """(X, A) log-probabilities."""
        beats = preference_matrix(problem) if data is None else seen_preferences(problem, data)
        return nash_policy(beats, problem.log_ref, problem.beta if self.regularised else 0.0)


def seen_preferences(problem: TabularBandit, data: Comparisons) -> Array:
    """(X, A, A) share of the comparisons of i and j that i won; 1/2 where there are none.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> seen_preferences(bandit, Comparisons([0, 0], [0, 1], [1, 0], [3, 1]))[0, 0].tolist()
    [0.5, 0.75]
    """
    x, a = problem.reward.shape
    wins = np.zeros((x, a, a))
    context, chosen, rejected = (np.asarray(column) for column in data[:3])
    weight = np.ones(len(context)) if data.weight is None else np.asarray(data.weight, dtype=float)
    target = np.ones(len(context)) if data.target is None else np.asarray(data.target, dtype=float)
    np.add.at(wins, (context, chosen, rejected), weight * target)
    np.add.at(wins, (context, rejected, chosen), weight * (1 - target))
    total = wins + wins.transpose(0, 2, 1)
    return np.asarray(np.where(total > 0, wins / np.where(total > 0, total, 1.0), 0.5))


def nash_policy(preferences: Any, log_ref: Any, beta: float, *, tol: float = 1e-13, max_steps: int = 20_000) -> Array:
    """The symmetric equilibrium of the game in which two policies are compared and each pays beta for its KL to the reference.

    Args:
        preferences: (X, A, A) P(i beats j), P(j beats i) = 1 - P(i beats j).
        log_ref: (X, A) log-probabilities.
        beta: the price, >= 0; at 0 the policy is a maximin strategy by linear programming, which need not be the only one.
        tol: the search stops when no log-probability moves by more than this.
        max_steps: after which it gives up.

    Returns:
        (X, A) log-probabilities.

    Raises:
        ValueError: beta is negative, or the search did not settle.

    Source: Munos et al. 2023, arXiv:2312.00886.

    >>> rock_paper_scissors = 0.5 + 0.5 * np.array([[[0, -1, 1], [1, 0, -1], [-1, 1, 0]]])
    >>> np.exp(nash_policy(rock_paper_scissors, np.log([[0.6, 0.3, 0.1]]), 0.0)).round(6)
    array([[0.333333, 0.333333, 0.333333]])
    """
    beats, ref = as_numpy("preferences", preferences), as_numpy("log_ref", log_ref)
    if not beta >= 0:
        raise ValueError(f"beta is {beta}, expected a number >= 0: what one nat of KL costs.")
    if beta == 0:
        with np.errstate(divide="ignore"):
            return np.log(np.stack([_maximin(matrix) for matrix in beats]))
    policy = ref
    half = min(1.0, beta)  # the undamped map contracts only where beta is large against the preferences' spread
    for _ in range(max_steps):
        reply = ref + np.einsum("xij,xj->xi", beats, np.exp(policy)) / beta
        reply = reply - np.logaddexp.reduce(reply, axis=1, keepdims=True)
        moved = (1 - half) * policy + half * reply
        moved = moved - np.logaddexp.reduce(moved, axis=1, keepdims=True)
        far = np.abs(reply - policy).max()
        policy = moved
        if far <= tol * (1 + np.abs(policy).max()):
            return np.asarray(policy)
    raise ValueError(f"the Nash policy still moves by {far:.2g} after {max_steps} steps at beta {beta}. Take a larger beta.")


def exploitability(preferences: Any, log_policy: Any, log_ref: Any, beta: float) -> Array:
    """(X,) what the best reply gains over the policy in the game of `nash_policy`; 0 at the equilibrium, never negative.

    >>> coin = np.full((1, 2, 2), 0.5)
    >>> bool(exploitability(coin, np.log([[0.3, 0.7]]), np.log([[0.3, 0.7]]), 1.0)[0] < 1e-15)
    True
    """
    beats, policy, ref = (as_numpy(*pair) for pair in (("preferences", preferences), ("log_policy", log_policy), ("log_ref", log_ref)))
    payoff = np.einsum("xij,xj->xi", beats, np.exp(policy))
    taken = policy > -np.inf
    own = np.where(taken, np.exp(policy) * (payoff - beta * np.where(taken, policy - ref, 0.0)), 0.0).sum(axis=1)
    best = payoff.max(axis=1) if beta == 0 else beta * np.logaddexp.reduce(ref + payoff / beta, axis=1)
    return np.asarray(best - own)


def _maximin(beats: Array) -> Array:
    """(A,) the mixed strategy whose least payoff is largest."""
    from scipy.optimize import linprog

    a = len(beats)
    cost = np.append(np.zeros(a), -1.0)
    found = linprog(
        cost, A_ub=np.column_stack([-beats.T, np.ones(a)]), b_ub=np.zeros(a), A_eq=[np.append(np.ones(a), 0.0)], b_eq=[1.0],
        bounds=[(0, None)] * a + [(None, None)],
    )  # fmt: skip
    policy = np.maximum(found.x[:a], 0.0)
    return np.asarray(policy / policy.sum())
