"""The chi-PO loss: DPO for the sum of the chi-squared and the KL divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import clip, expm1, is_symbolic, softplus
from dpo_theory.losses._options import require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["ChiPO"]


@dataclass(frozen=True)
class ChiPO:
    r"""-log s(clip(beta (phi(a) - phi(b)), 2 reward_range)), phi(h) = e^h + h, a and b the log-ratios of chosen and rejected, per
    comparison.

    The divergence is mixed: phi is f' of f(u) = (u - 1)^2 / 2 + u log u up to a constant. Chi-squared alone has no such loss, for its
    optima lie on the boundary of the simplex.

    Args:
        beta: the price of divergence in units of reward, > 0.
        reward_range: the paper's R_max, > 0: beyond 2 reward_range the difference is clipped and the gradient 0. Infinite: no clipping.
        ceiling: the largest exponent that numbers take: beyond it they follow the tangent, so that every dtype stays finite; expressions
            have none.

    Source: Huang et al. 2024, arXiv:2407.13399, eq. 6.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> ChiPO()(pairs).round(4)
    array([0.6931])
    """

    beta: float = 0.1
    reward_range: float = math.inf
    ceiling: float = 50.0

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_positive("reward_range", self.reward_range, infinite=True)
        require_positive("ceiling", self.ceiling)

    @property
    def has(self) -> frozenset[str]:
        """The average win rate orders the optimum where nothing is clipped."""
        found = {"bounded-below", "log-ratio-only", "log2-at-reference", "monotone", "normalised-likelihood"}
        whole = {"borda-order"} if self.reward_range == math.inf else set()
        return frozenset(found | whole | {"uses-reference", "vanishing-weight"})

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        chosen, rejected = (expm1(h, ceiling=self.ceiling) + h for h in (pairs.chosen_log_ratio, pairs.rejected_log_ratio))
        z = self.beta * (chosen - rejected)
        return softplus(-z if self.reward_range == math.inf else -clip(z, 2 * self.reward_range))
