"""The NCA loss on pairs: each answer is told from noise by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus

__all__ = ["NCA"]


@dataclass(frozen=True)
class NCA:
    r"""-log s(beta a) - 1/2 log s(-beta a) - 1/2 log s(-beta b), a and b the log-ratios of chosen and rejected, per comparison.

    It sees each log-ratio by itself, not their difference: a constant added to both changes it.

    Args:
        beta: reward per nat, > 0.

    Source: Chen et al. 2024, arXiv:2402.05369, for two answers of which the chosen has reward infinitely above the rejected.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> NCA(beta=0.5)(pairs).round(4)  # 2 log 2 at the reference
    array([1.3863])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset({"bounded-below", "bounded-gradient", "log-ratio-only", "scales-with-beta", "uses-reference"})
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bt-proper",
            "calibrated",
            "convex",
            "displacement-free",
            "finite-optimum-when-deterministic",
            "flip-robust",
            "length-invariant",
            "log2-at-reference",
            "margin-only",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "shift-invariant",
            "vanishing-weight",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        chosen, rejected = self.beta * pairs.chosen_log_ratio, self.beta * pairs.rejected_log_ratio
        return softplus(-chosen) + (softplus(chosen) + softplus(rejected)) / 2
