"""Methods whose policy, or whose law, is computed exactly: RLHF, two-stage RLHF, best-of-N, fine-tuning, unlikelihood, rejection sampling.

Each is a callable (problem, data, rng) -> log-policy; data None is the exact population, in which pairs are two different answers
drawn from the reference.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits import policies
from bandits.data import Comparisons
from bandits.door import Array
from bandits.experiments.methods.answer import Answer
from bandits.maximise import maximise_value
from bandits.minimise import minimise_loss
from bandits.problem import TabularBandit
from bandits.sample import design_matrix
from bandits.solution import Solution

__all__ = ["RLHF", "SFT", "BestOfN", "PreferredFT", "RejectionSampling", "TwoStageRLHF", "Unlikelihood", "fitted_reward", "wins_and_losses"]


@dataclass(frozen=True)
class RLHF:
    """The optimum of eq. 3 with the true reward, by search."""

    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Solution:
        """The Solution of `maximise_value`."""
        return maximise_value(problem)


@dataclass(frozen=True)
class TwoStageRLHF:
    """The reward of greatest likelihood, then its best policy: two searches, neither of which sees the other's loss."""

    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Solution:
        """The Solution of the first stage with the policy of the second; NaN rows where no single reward is most likely."""
        reward, found = fitted_reward(problem, data)
        unknown = np.isnan(reward).any(axis=1, keepdims=True)
        best = maximise_value(problem.replace(reward=np.where(unknown, 0.0, reward))).log_policy
        return dataclasses.replace(found, log_policy=np.where(unknown, np.nan, best))


def fitted_reward(problem: TabularBandit, data: Comparisons | None) -> tuple[Array, Solution]:
    """(X, A) rewards of greatest likelihood (eq. 2), rows up to a constant, NaN where there is none or not one; and the search's end.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.9, 0.1]]), beta=0.1)
    >>> reward, _ = fitted_reward(bandit, None)
    >>> round(float(reward[0, 0] - reward[0, 1]), 6)
    1.0
    """
    flat = np.full(problem.reward.shape, -np.log(problem.n_actions))
    found = minimise_loss(problem.replace(log_ref=flat), _negative_log_likelihood, data)
    statuses = np.array([str(status) for status in found.certificate.statuses])
    return np.where((statuses == "optimal")[:, None], found.log_policy, np.nan), found


def _negative_log_likelihood(pairs: Any) -> Any:
    return np.logaddexp(0.0, -(pairs.policy_chosen - pairs.policy_rejected))


@dataclass(frozen=True)
class BestOfN:
    """The law of the best of `n` draws from the reference, by the true reward; `ties` as in `bandits.policies.best_of_n`."""

    n: int = 4
    ties: str = "reference"
    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Array:
        """(X, A) log-probabilities."""
        return policies.best_of_n(problem, self.n, ties=self.ties)


@dataclass(frozen=True)
class PreferredFT:
    """Fine-tuning on the chosen answers alone."""

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Array | Answer:
        """(X, A) log-probabilities; no policy where a context has no data."""
        won, _ = wins_and_losses(problem, data)
        return policies.fine_tuning(won) if (won.sum(axis=1) > 0).all() else Answer(None, "no_data")


@dataclass(frozen=True)
class Unlikelihood:
    """The maximiser of E[log pi(y_w) - alpha log pi(y_l)].

    There is none where some answer loses more than 1 / alpha times as often as it wins.
    """

    alpha: float = 0.1

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Array | Answer:
        """(X, A) log-probabilities, or no policy with status `no_maximiser`."""
        won, lost = wins_and_losses(problem, data)
        pull = won - self.alpha * lost
        if (pull < 0).any():
            return Answer(None, "no_maximiser")
        return policies.fine_tuning(pull) if (pull.sum(axis=1) > 0).all() else Answer(None, "no_data")


@dataclass(frozen=True)
class SFT:
    """The empirical law of `n` demonstrations in each context, drawn from the reference; the reference itself on the population."""

    n: int = 300
    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: np.random.Generator) -> Array:
        """(X, A) log-probabilities; -inf for an answer that was never shown."""
        if data is None:
            return problem.log_ref
        law = np.exp(problem.log_ref)
        return policies.fine_tuning(rng.multinomial(self.n, law / law.sum(axis=1, keepdims=True)))


@dataclass(frozen=True)
class RejectionSampling:
    """Draw from the reference, accept with probability exp((r - max r) / beta); after `tries` refusals take a fresh draw as it is."""

    tries: int = 8
    packs: bool = True

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: Any) -> Array:
        """(X, A) log-probabilities of the exact law."""
        best = problem.reward.max(axis=1, keepdims=True)
        accepted = problem.log_ref + (problem.reward - best) / problem.beta
        rate = np.minimum(np.exp(np.logaddexp.reduce(accepted, axis=1, keepdims=True)), 1.0)
        with np.errstate(divide="ignore"):
            never = self.tries * np.log1p(-rate)
            return np.asarray(np.logaddexp(accepted - np.log(rate) + np.log(-np.expm1(never)), problem.log_ref + never))


def wins_and_losses(problem: TabularBandit, data: Comparisons | None) -> tuple[Array, Array]:
    """(X, A), (X, A): how often each answer was chosen and rejected in the data, or their laws on the population.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> wins_and_losses(bandit, Comparisons([0, 0], [0, 0], [1, 1]))[0].tolist()
    [[2.0, 0.0]]
    """
    if data is None:
        return policies.win_and_loss_law(problem, design=design_matrix(problem, draw="reference"))
    context = np.asarray(data.context)
    weight = np.ones(len(context)) if data.weight is None else np.asarray(data.weight, dtype=float)
    target = np.ones(len(context)) if data.target is None else np.asarray(data.target, dtype=float)
    won, lost = np.zeros(problem.reward.shape), np.zeros(problem.reward.shape)
    for actions, share in ((data.chosen, target), (data.rejected, 1 - target)):
        np.add.at(won, (context, np.asarray(actions)), weight * share)
        np.add.at(lost, (context, np.asarray(actions)), weight * (1 - share))
    return won, lost
