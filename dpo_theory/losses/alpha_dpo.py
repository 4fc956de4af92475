"""DPO for an alpha-divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import expm1, is_symbolic, softplus
from dpo_theory.losses._options import require_fraction, require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["AlphaDivergenceDPO"]


@dataclass(frozen=True)
class AlphaDivergenceDPO:
    r"""-log s(beta (f'(a) - f'(b))), f'(h) = (1 - e^(-alpha h)) / alpha, a and b the log-ratios of chosen and rejected, per comparison.

    Towards alpha = 0 it is `DPO`, the reverse KL divergence; at alpha = 1 it is `ForwardKLDPO`.

    Args:
        beta: the price of divergence in units of reward, > 0.
        alpha: 0 < alpha < 1, as in the paper. TRL's `f_alpha_divergence_coef` is 1 - alpha since it became an exponent; both agree at 1/2.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Wang et al. 2023, arXiv:2309.16240, table 1.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> AlphaDivergenceDPO(beta=0.5, alpha=0.5)(pairs).round(4)
    array([0.3021])
    """

    beta: float = 0.1
    alpha: float = 0.5
    ceiling: float = 50.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "borda-order",
            "bounded-below",
            "log-ratio-only",
            "log2-at-reference",
            "monotone",
            "normalised-likelihood",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_fraction("alpha", self.alpha, "between the reverse KL divergence, 0, and the forward, 1")
        require_positive("ceiling", self.ceiling)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        chosen, rejected = (-expm1(-self.alpha * h, ceiling=self.ceiling) for h in (pairs.chosen_log_ratio, pairs.rejected_log_ratio))
        return softplus(-self.beta * (chosen - rejected) / self.alpha)
