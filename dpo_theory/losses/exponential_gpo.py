"""GPO with the exponential loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import exp, is_symbolic
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["ExponentialGPO"]


@dataclass(frozen=True)
class ExponentialGPO:
    r"""e^-z, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    The population optimum is half the log-odds: that of `DPO` at twice the beta.

    Args:
        beta: reward per nat, > 0.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Tang et al. 2024, arXiv:2402.05749, table 1 (AdaBoost).

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> ExponentialGPO()(pairs)
    array([1.])
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
        return exp(-self.beta * pairs.margin, ceiling=self.ceiling)
