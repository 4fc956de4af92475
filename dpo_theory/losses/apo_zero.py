"""The APO-zero loss: chosen answers up, rejected ones down, each for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, sigmoid

__all__ = ["APOZero"]


@dataclass(frozen=True)
class APOZero:
    r"""1 - s(beta a) + s(beta b), a and b the log-ratios of chosen and rejected, per comparison.

    The paper's loss is without the constant 1, which libraries add to keep it above 0.

    Args:
        beta: reward per nat, > 0.

    Source: D'Oosterlinck et al. 2024, arXiv:2408.06266, APO-zero.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-3.0], [-1.0]]))
    >>> APOZero(beta=0.5)(pairs).round(4)
    array([0.5379])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-below",
            "bounded-gradient",
            "flip-robust",
            "log-ratio-only",
            "monotone",
            "scales-with-beta",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bt-proper",
            "calibrated",
            "convex",
            "displacement-free",
            "finite-optimum-when-deterministic",
            "length-invariant",
            "log2-at-reference",
            "margin-only",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "shift-invariant",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return sigmoid(-self.beta * pairs.chosen_log_ratio) + sigmoid(self.beta * pairs.rejected_log_ratio)
