"""The RPO loss: DPO with the likelihood of the chosen answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, negative_log_likelihood
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES
from dpo_theory.losses.dpo import DPO

__all__ = ["RPO"]


@dataclass(frozen=True)
class RPO:
    r"""-log s(beta (log-ratio of chosen - log-ratio of rejected)) - alpha log pi(y_w|x), per comparison.

    For alpha > 0 the optimum is a compromise of `DPO`'s and the law of the winners, on their Pareto path though not between them
    coordinate by coordinate; it is not that of RLHF.

    Args:
        beta: reward per nat, > 0.
        alpha: weight of the likelihood, >= 0; at 0 this is `DPO`.
        nll: of the chosen answer: `sum` over its tokens, or their `mean`.

    Source: Liu et al. 2024, arXiv:2405.16436 (`sum`); Pang et al. 2024, arXiv:2404.19733 (`mean`).

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-4.0], [-9.0], [-4.0], [-9.0]]), np.array([2]), np.array([3]))
    >>> RPO(alpha=0.5)(pairs).round(4), RPO(alpha=0.5, nll="mean")(pairs).round(4)  # log 2 + 2, log 2 + 1
    (array([2.6931]), array([1.6931]))
    """

    beta: float = 0.1
    alpha: float = 1.0
    nll: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_nonnegative("alpha", self.alpha)
        require_convention("nll", self.nll, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """The likelihood sees the chosen answer by itself; without it this is `DPO`."""
        if not is_symbolic(self.alpha) and self.alpha == 0:
            return DPO.has
        return frozenset({"bounded-below", "bounded-gradient", "convex", "monotone", "uses-reference"})

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: an average is wanted and lengths are missing.
        """
        preference = softplus(-self.beta * pairs.margin)
        if not is_symbolic(self.alpha) and self.alpha == 0:
            return preference
        return preference + self.alpha * negative_log_likelihood(pairs, self.nll)
