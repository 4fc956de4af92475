"""What is said of a policy: mean reward, KL, and how far it lies below the frontier, each with no formula for the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandits.door import Array
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["Optima", "Shortfall", "best_values", "reward_and_kl", "shortfalls"]

_LEAST, _MOST = -7.0, 14.0  # log beta over the spread of the rewards, beyond which the frontier stands at its ends
_STEPS = 14


class Shortfall(NamedTuple):
    """How far a policy lies below the frontier.

    Args:
        distance: the least value of beta KL + V*(beta) - E[r] that was found: the policy is at most this far below.
        beta: where it was found; the frontier's slope at the policy's KL.
        slack: V* is known to so much; the distance can be wrong by no more.
    """

    distance: float
    beta: float
    slack: float


def reward_and_kl(problem: TabularBandit, log_policy: Array) -> tuple[float, float]:
    """E[r] and E KL(pi || pi_ref), nats.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> reward_and_kl(bandit, bandit.log_ref)
    (0.5, 0.0)
    """
    policy = np.exp(log_policy)
    taken = policy > 0
    with np.errstate(invalid="ignore"):
        gain = np.where(taken, problem.reward, 0.0)
        ratio = np.where(taken, log_policy - problem.log_ref, 0.0)
    weight = problem.context_probs[:, None] * policy
    return float((weight * gain).sum()), float((weight * ratio).sum())


class Optima(NamedTuple):
    """The optima of P problems, each at its own beta.

    Args:
        value: (P,) V*(beta).
        kl: (P,) of the policies that reach it, nats.
        variance: (P,) of the reward under them, averaged over contexts.
        slack: (P,) how well the value is known: concavity bounds the rest by the largest marginal value minus the mean one.
    """

    value: Array
    kl: Array
    variance: Array
    slack: Array


def best_values(problems: Sequence[TabularBandit], betas: Array) -> Optima:
    """The optima of P problems, each at its own beta, by one search.

    Args:
        problems: P problems with one number of actions; their own betas are not looked at.
        betas: (P,) the betas.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> best_values([bandit], np.array([1.0])).value.round(4)
    array([0.6201])
    """
    first = np.concatenate([[0], np.cumsum([problem.n_contexts for problem in problems])])
    weight = np.concatenate([problem.context_probs for problem in problems])
    price = np.repeat(betas, np.diff(first))
    reward = np.concatenate([problem.reward for problem in problems]) / price[:, None]
    log_ref = np.concatenate([problem.log_ref for problem in problems])
    scaled = TabularBandit(weight / len(problems), reward, log_ref, 1.0)
    found = maximise_value(scaled)
    policy = np.exp(found.log_policy)
    taken = policy > 0
    with np.errstate(invalid="ignore"):
        ratio = np.where(taken, found.log_policy - log_ref, 0.0)
        gain = np.where(taken, reward, 0.0)
        marginal = np.where(taken, reward - ratio, -np.inf)  # of eq. 3 at beta 1, up to a constant
    mean_gain = (policy * gain).sum(axis=1, keepdims=True)
    spread = (policy * (gain - mean_gain) ** 2).sum(axis=1) * price**2
    gap = marginal.max(axis=1) - (policy * np.where(taken, marginal, 0.0)).sum(axis=1)
    gap = np.where(taken.all(axis=1), np.maximum(gap, 0.0), found.certificate.gap_bound / (weight / len(problems)))

    def mean(numbers: Array) -> Array:
        return np.asarray(np.add.reduceat(weight * numbers, first[:-1]))

    value = mean(mean_gain[:, 0] - (policy * ratio).sum(axis=1)) * betas
    return Optima(value, mean((policy * ratio).sum(axis=1)), mean(spread), mean(gap) * betas)


def shortfalls(problems: Sequence[TabularBandit], log_policies: Sequence[Array]) -> list[Shortfall]:
    """Weak duality for P policies: E[r] <= beta KL + V*(beta) for every beta, and the beta at which that says most.

    V* is convex in beta with slope -KL(pi_beta), so the best beta is where the optimum's KL is the policy's; every beta that is tried
    gives a bound, and the least is kept.

    Args:
        problems: P problems with one number of actions.
        log_policies: P policies, (X, A) log-probabilities.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> best, ref = shortfalls([bandit, bandit], [maximise_value(bandit).log_policy, bandit.log_ref])
    >>> abs(best.distance) < 1e-12, round(best.beta, 6)
    (True, 0.5)
    """
    if not problems:
        return []
    points = np.array([reward_and_kl(problem, policy) for problem, policy in zip(problems, log_policies, strict=True)])
    spread = np.log([max(float(np.ptp(problem.reward, axis=1).max()), 1e-9) for problem in problems])
    low, high = spread + _LEAST, spread + _MOST
    found = np.full((len(problems), 3), np.inf)
    target = np.maximum(points[:, 1], 1e-300)
    log_beta = np.clip(spread - 0.5 * np.log(8 * target), low, high)  # KL is Var / (2 beta^2) for a large beta
    for _ in range(_STEPS):
        beta = np.exp(log_beta)
        best = best_values(problems, beta)
        distance = best.value + beta * points[:, 1] - points[:, 0]
        better = distance < found[:, 0]
        found[better] = np.stack([distance, beta, best.slack], axis=1)[better]
        up = best.kl > target
        low, high = np.where(up, log_beta, low), np.where(up, high, log_beta)
        kl = np.maximum(best.kl, 1e-300)
        newton = log_beta + np.log(kl / target) * kl * beta**2 / np.maximum(best.variance, 1e-300)
        halved = (low + high) / 2
        log_beta = np.where((newton > low) & (newton < high), newton, halved)
    return [Shortfall(*map(float, row)) for row in found]
