"""DPO for the forward KL divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import expm1, is_symbolic, softplus
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["ForwardKLDPO"]


@dataclass(frozen=True)
class ForwardKLDPO:
    r"""-log s(beta (f'(a) - f'(b))), f'(h) = -e^-h, a and b the log-ratios of chosen and rejected, per comparison.

    The population optimum is that of RLHF with KL(pi_ref || pi) in place of KL(pi || pi_ref). The front end is 1 - e^-h, which differs from
    f' by a constant that cancels.

    Args:
        beta: the price of divergence in units of reward, > 0.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Wang et al. 2023, arXiv:2309.16240, table 1; f(u) = -log u.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> ForwardKLDPO(beta=0.5)(pairs).round(4)  # 1 - 1/e and 1 - e
    array([0.2691])
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
        require_positive("ceiling", self.ceiling)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        chosen, rejected = (-expm1(-h, ceiling=self.ceiling) for h in (pairs.chosen_log_ratio, pairs.rejected_log_ratio))
        return softplus(-self.beta * (chosen - rejected))
