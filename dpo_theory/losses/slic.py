"""The SLiC-HF loss: a hinge on log-probabilities without a reference, with the likelihood of the chosen answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from dpo_theory._xp import is_symbolic, relu
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps, negative_log_likelihood
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["SLiC"]


@dataclass(frozen=True)
class SLiC:
    r"""max(0, delta - log pi(y_w|x) + log pi(y_l|x)) - nll_weight log pi(y_w|x), per comparison.

    Args:
        delta: the margin in nats that is enough, >= 0.
        nll_weight: of the likelihood, the paper's lambda, >= 0; the paper's target may be another answer than the chosen one.
        token_logps: in the hinge: `sum` over the tokens of an answer, as in the paper, or their `mean`.
        nll: of the chosen answer: `sum` over its tokens, or their `mean`.

    Source: Zhao et al. 2023, arXiv:2305.10425, eq. 1. The hinge on log-ratios is `Hinge`.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-1.5], [0.0], [0.0]]))
    >>> SLiC(delta=1.0, nll_weight=0.0)(pairs), SLiC(delta=1.0, nll_weight=0.5)(pairs)
    (array([0.5]), array([1.]))
    """

    delta: float = 1.0
    nll_weight: float = 0.1
    token_logps: SumOrMean = "sum"
    nll: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        require_nonnegative("delta", self.delta)
        require_nonnegative("nll_weight", self.nll_weight)
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)
        require_convention("nll", self.nll, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """Without the likelihood it is a function of a difference of log-probabilities."""
        found = {"bounded-below", "bounded-gradient", "monotone"}
        if self.token_logps == "sum" or (self.nll == "sum" and self.nll_weight >= 1):
            found.add("convex")
        if self.token_logps == "mean" and (self.nll == "mean" or self.nll_weight == 0):
            found.add("length-invariant")
        if self.nll_weight == 0:
            found |= {"antisymmetric-gradient", "shift-invariant"} if self.token_logps == "sum" else set()
            found.add("vanishing-weight")
        return frozenset(found)

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing.
        """
        chosen, rejected = answer_logps(pairs, self.token_logps)
        hinge = relu(self.delta - (chosen - rejected))
        if not is_symbolic(self.nll_weight) and self.nll_weight == 0:
            return hinge
        return hinge + self.nll_weight * negative_log_likelihood(pairs, self.nll)
