"""DPO for the Jensen-Shannon divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["JensenShannonDPO"]


@dataclass(frozen=True)
class JensenShannonDPO:
    r"""-log s(beta (f'(a) - f'(b))), f'(h) = log(2 u / (1 + u)) with u = e^h, a and b the log-ratios of chosen and rejected, per
    comparison.

    The population optimum is that of RLHF with the Jensen-Shannon divergence of pi and pi_ref.

    Args:
        beta: the price of divergence in units of reward, > 0.

    Source: Wang et al. 2023, arXiv:2309.16240, table 1; f(u) = u log u - (u + 1) log((u + 1) / 2).

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> JensenShannonDPO(beta=0.5)(pairs).round(4)
    array([0.4741])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "borda-order",
            "bounded-below",
            "bounded-gradient",
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

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return softplus(self.beta * (softplus(-pairs.chosen_log_ratio) - softplus(-pairs.rejected_log_ratio)))
