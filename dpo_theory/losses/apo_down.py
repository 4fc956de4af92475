"""The APO-down loss: both answers down, the rejected one more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, sigmoid

__all__ = ["APODown"]


@dataclass(frozen=True)
class APODown:
    r"""s(beta a) + 1 - s(beta (a - b)), a and b the log-ratios of chosen and rejected, per comparison.

    The first term pushes the chosen answer down, the second keeps it above the rejected one. The paper's loss is without the
    constant 1, which libraries add to keep it above 0.

    Args:
        beta: reward per nat, > 0.

    Source: D'Oosterlinck et al. 2024, arXiv:2408.06266, APO-down.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> APODown(beta=0.5)(pairs)
    array([1.])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-below",
            "bounded-gradient",
            "log-ratio-only",
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
            "flip-robust",
            "length-invariant",
            "log2-at-reference",
            "margin-only",
            "monotone",
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
        return sigmoid(self.beta * pairs.chosen_log_ratio) + sigmoid(-self.beta * pairs.margin)
