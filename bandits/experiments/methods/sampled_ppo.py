"""PPO as it is run: sampled answers, a learned value baseline, the clipped surrogate, Adam; tabular softmax."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array
from bandits.experiments.methods.answer import Answer
from bandits.experiments.methods.exact import fitted_reward
from bandits.problem import TabularBandit
from bandits.solution import Solution

__all__ = ["PPO"]


@dataclass(frozen=True)
class PPO:
    """Policy-gradient PPO on r - beta log pi/pi_ref, from the reference.

    Each round draws `batch` answers in every context from the current policy, subtracts a value baseline that follows the mean gain,
    and takes `epochs` Adam steps on the clipped surrogate; the step falls linearly to 0. Where it stops is not the optimum.

    Args:
        learned: False takes the true reward; True the reward of greatest likelihood on the data (on the population without data).
        rounds: how often answers are drawn.
        batch: how many in each context.
        epochs: ascent steps in each round.
        step: Adam's first step size, in logits.
        clip: c in (0, 1).
        follow: how fast the baseline follows, in (0, 1].

    Source: Schulman et al. 2017, arXiv:1707.06347, eqs. 7 and 9; the reward is Rafailov et al. 2023, arXiv:2305.18290, section 3.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> found = PPO()(bandit, None, np.random.default_rng(0))
    >>> bool(bandit.value(found) > bandit.value(bandit.log_ref))
    True
    """

    learned: bool = False
    rounds: int = 150
    batch: int = 64
    epochs: int = 4
    step: float = 0.1
    clip: float = 0.2
    follow: float = 0.2
    packs: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.clip < 1 and self.step > 0 and 0 < self.follow <= 1):
            raise ValueError(
                f"clip is {self.clip}, step {self.step}, follow {self.follow}; expected 0 < clip < 1, step > 0, 0 < follow <= 1."
            )

    def __call__(self, problem: TabularBandit, data: Comparisons | None, rng: np.random.Generator) -> Array | Answer | Solution:
        """(X, A) log-probabilities; NaN rows in a Solution where no reward could be fitted."""
        if not (problem.support.all() and np.isfinite(problem.reward).all()):
            raise ValueError("PPO moves logits: every answer needs support under log_ref and a finite reward. Drop the others.")
        if not self.learned:
            return self._ascend(problem, problem.reward, rng)
        reward, found = fitted_reward(problem, data)
        unknown = np.isnan(reward).any(axis=1, keepdims=True)
        policy = self._ascend(problem, np.where(unknown, 0.0, reward), rng)
        return dataclasses.replace(found, log_policy=np.where(unknown, np.nan, policy))

    def _ascend(self, problem: TabularBandit, reward: Array, rng: np.random.Generator) -> Array:
        log_policy = logits = problem.log_ref
        baseline = (np.exp(log_policy) * reward).sum(axis=1, keepdims=True)
        first, second, steps = np.zeros(reward.shape), np.zeros(reward.shape), 0
        for number in range(self.rounds):
            law = np.exp(log_policy)
            drawn = rng.multinomial(self.batch, law / law.sum(axis=1, keepdims=True)) / self.batch
            gain = reward - problem.beta * (log_policy - problem.log_ref)
            advantage = gain - baseline
            baseline = baseline + self.follow * (drawn * advantage).sum(axis=1, keepdims=True)
            size = self.step * (1 - number / self.rounds)
            for _ in range(self.epochs):
                policy = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
                ratio = policy / law
                live = np.where(advantage > 0, ratio < 1 + self.clip, ratio > 1 - self.clip)
                pull = drawn * live * advantage * ratio
                slope = pull - policy * pull.sum(axis=1, keepdims=True)
                steps += 1
                first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
                logits = logits + size * (first / (1 - 0.9**steps)) / (np.sqrt(second / (1 - 0.999**steps)) + 1e-8)
            log_policy = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return log_policy
