"""Iterated DPO, or any loss: pairs from the current policy, labels from the true reward, the minimiser on all pairs so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.experiments.engine.problems import draw_counts
from bandits.minimise import minimise_loss
from bandits.problem import TabularBandit
from bandits.solution import Solution

__all__ = ["Online"]


@dataclass(frozen=True)
class Online:
    """Rounds of collecting and minimising; the data that it is handed are not looked at.

    A context whose loss has no minimiser yet keeps the policy of the round before.

    Args:
        make_loss: beta -> loss.
        n: comparisons in each context, over all rounds.
        rounds: how often the policy that is drawn from is renewed; 1 draws all pairs from the reference.

    >>> logistic = lambda beta: lambda pairs: np.logaddexp(0.0, -beta * pairs.margin)
    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> str(Online(logistic)(bandit, None, np.random.default_rng(0)).status)
    'optimal'
    """

    make_loss: Callable[[float], Callable[..., Any]]
    n: int = 300
    rounds: int = 3
    packs: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.n < self.rounds:
            raise ValueError(f"there are {self.n} comparisons for {self.rounds} rounds, expected at least one for each round.")

    def __call__(self, problem: TabularBandit, data: Any, rng: np.random.Generator) -> Solution:
        """The Solution of the last round; NaN rows where no round had a minimiser."""
        policy, seen = problem.log_ref, None
        for number in range(self.rounds):
            share = self.n // self.rounds + (number < self.n % self.rounds)
            fresh = draw_counts(problem, share, rng, draw=policy, per_context=True)
            seen = fresh if seen is None else Comparisons(*(np.concatenate(both) for both in zip(seen[:4], fresh[:4], strict=True)))
            found = minimise_loss(problem, self.make_loss(problem.beta), seen)
            unknown = np.isnan(found.log_policy).any(axis=1, keepdims=True)
            policy = np.where(unknown, policy, found.log_policy)
        return dataclasses.replace(found, log_policy=np.where(unknown & (policy == problem.log_ref), np.nan, policy))
