"""GPO with the Savage loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, sigmoid
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["Savage"]


@dataclass(frozen=True)
class Savage:
    r"""s(-z)^2, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    Proper under Bradley-Terry, bounded, and not convex: pairs that are far off stop pulling as satisfied ones do.

    Args:
        beta: reward per nat, > 0.

    Source: Tang et al. 2024, arXiv:2402.05749, table 1; the loss is of Masnadi-Shirazi and Vasconcelos 2008.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> Savage()(pairs)
    array([0.25])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "bt-proper",
            "calibrated",
            "log-ratio-only",
            "margin-only",
            "monotone",
            "recovers-kl-optimum",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return sigmoid(-self.beta * pairs.margin) ** 2
