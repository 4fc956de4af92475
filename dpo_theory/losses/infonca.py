"""The InfoNCA loss: K scored answers, told apart by their rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandits.data import ScoredLogProbs
from bandits.door import as_numpy, require_beta
from dpo_theory._xp import exp, is_symbolic, logsumexp, total

__all__ = ["InfoNCA"]


@dataclass(frozen=True)
class InfoNCA:
    r"""-sum_i q_i log [ exp(beta h_i) / sum_j exp(beta h_j) ], q = softmax(r / alpha), h = log pi/pi_ref, per prompt.

    The answers carry rewards, in any order; the optimum has beta (h_i - h_j) = (r_i - r_j) / alpha. A reward of -inf means
    that the answer is never the best one: with two answers that is `DPO`.

    Args:
        beta: reward per nat, > 0.
        alpha: temperature of the rewards, > 0.

    Source: Chen et al. 2024, arXiv:2402.05369, the InfoNCA objective.

    >>> import numpy as np
    >>> zero = np.zeros((1, 3))
    >>> InfoNCA(beta=0.5)(ScoredLogProbs(zero, zero, np.array([[1.0, 0.0, -1.0]]))).round(4)  # log 3
    array([1.0986])
    """

    beta: float = 0.1
    alpha: float = 1.0

    takes: ClassVar[type] = ScoredLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "convex",
            "finite-optimum-when-deterministic",
            "log-ratio-only",
            "log2-at-reference",
            "margin-only",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "bt-proper",
            "displacement-free",
            "flip-robust",
            "length-invariant",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "vanishing-weight",
        }
    )

    def __post_init__(self) -> None:
        for name in ("beta", "alpha"):
            if not is_symbolic(getattr(self, name)):
                require_beta(getattr(self, name), name)

    def __call__(self, scored: ScoredLogProbs) -> Any:
        """(N,) one loss per prompt.

        Raises:
            ValueError: rewards of another shape, NaN or +inf, or a prompt whose rewards are all -inf.
        """
        _require_rewards(scored)
        labels = scored.reward / self.alpha
        implicit = self.beta * scored.log_ratio
        share = exp(labels - logsumexp(labels, keepdims=True))
        return total(share * (logsumexp(implicit, keepdims=True) - implicit))


def _require_rewards(scored: ScoredLogProbs) -> None:
    if is_symbolic(scored.reward):
        return
    reward = as_numpy("reward", scored.reward)
    shape = tuple(np.shape(scored.policy))
    if reward.shape != shape:
        raise ValueError(f"reward has shape {reward.shape}, policy {shape}. Give one reward per answer, (N, K).")
    if np.isnan(reward).any() or np.isposinf(reward).any():
        raise ValueError("reward holds NaN or +inf, expected finite numbers, or -inf for an answer that is never the best.")
    if np.isneginf(reward).all(axis=-1).any():
        raise ValueError("a prompt has only rewards of -inf. Give one of its answers a finite reward.")
