"""The SquaredPO loss: DPO for the squared logarithm of the density ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import exp, is_symbolic, softplus
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["SquaredPO"]


@dataclass(frozen=True)
class SquaredPO:
    r"""-log s(beta (f'(a) - f'(b))), f'(h) = h e^-h, a and b the log-ratios of chosen and rejected, per comparison.

    f(u) = (log u)^2 / 2 is smallest at u = 1, so no unnormalised policy gains by pushing both answers down; it is not convex, f' falls
    beyond h = 1, and there more probability for the chosen answer costs.

    Args:
        beta: the price of divergence in units of reward, > 0.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Pipano et al. 2026, arXiv:2602.06788.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> SquaredPO(beta=0.5)(pairs).round(4)
    array([0.1937])
    """

    beta: float = 0.1
    ceiling: float = 50.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "borda-order",
            "bounded-below",
            "log-ratio-only",
            "log2-at-reference",
            "normalised-likelihood",
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
        chosen, rejected = (h * exp(-h, ceiling=self.ceiling) for h in (pairs.chosen_log_ratio, pairs.rejected_log_ratio))
        return softplus(-self.beta * (chosen - rejected))
