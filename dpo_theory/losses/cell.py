"""The CELL loss: an even mixture of the exponential and the logistic loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import exp, is_symbolic, softplus
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["CELL"]


@dataclass(frozen=True)
class CELL:
    r"""e^-z / 2 + log(1 + e^-z) / 2, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    Args:
        beta: reward per nat, > 0.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Lu et al. 2024, arXiv:2406.08414, among the losses discovered.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> CELL()(pairs).round(4)  # (1 + log 2) / 2
    array([0.8466])
    """

    beta: float = 0.1
    ceiling: float = 50.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "calibrated",
            "convex",
            "log-ratio-only",
            "margin-only",
            "monotone",
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
        require_positive("ceiling", self.ceiling)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        return (exp(-z, ceiling=self.ceiling) + softplus(-z)) / 2
