"""The CPO loss: DPO against a uniform reference, with the likelihood of the chosen answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu, softplus
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps, negative_log_likelihood
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["CPO"]


@dataclass(frozen=True)
class CPO:
    r"""-log s(beta (log pi(y_w|x) - log pi(y_l|x))) - nll_weight log pi(y_w|x), per comparison.

    Args:
        beta: reward per nat, > 0.
        form: `sigmoid` as in the paper; `hinge`: max(0, 1 - beta d); `ipo`: (d - 1/(2 beta))^2, with d the difference of
            log-probabilities.
        nll_weight: of the likelihood, >= 0; 1 in the paper, 0 for the preference term alone.
        token_logps: in the preference term: `sum` over tokens as in the paper, or their `mean`.
        nll: of the chosen answer: `sum` over its tokens, as in the paper, or their `mean`.

    Source: Xu et al. 2024, arXiv:2401.08417; the other forms are TRL's.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [0.0], [0.0]]))
    >>> CPO(beta=0.5)(pairs).round(4), CPO(beta=0.5, form="hinge", nll_weight=0.0)(pairs)
    (array([1.3133]), array([0.]))
    """

    beta: float = 0.1
    form: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    nll_weight: float = 1.0
    token_logps: SumOrMean = "sum"
    nll: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_convention("form", self.form, ("sigmoid", "hinge", "ipo"))
        require_nonnegative("nll_weight", self.nll_weight)
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)
        require_convention("nll", self.nll, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """Without the likelihood it is a function of a difference of log-probabilities."""
        found = {"bounded-below"}
        if self.form != "ipo":
            found |= {"bounded-gradient", "monotone"}
        if self.token_logps == "sum" or (self.form != "ipo" and self.nll == "sum" and self.nll_weight >= self.beta):
            found.add("convex")
        if self.token_logps == "mean" and (self.nll == "mean" or self.nll_weight == 0):
            found.add("length-invariant")
        if self.nll_weight == 0:
            found |= {"antisymmetric-gradient", "shift-invariant"} if self.token_logps == "sum" else set()
            found |= {"vanishing-weight"} if self.form != "ipo" else set()
            found |= {"normalised-likelihood"} if self.form == "sigmoid" else set()
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
        preference = self._preference(chosen - rejected)
        if not is_symbolic(self.nll_weight) and self.nll_weight == 0:
            return preference
        return preference + self.nll_weight * negative_log_likelihood(pairs, self.nll)

    def _preference(self, difference: Any) -> Any:
        if self.form == "sigmoid":
            return softplus(-self.beta * difference)
        if self.form == "hinge":
            return relu(1 - self.beta * difference)
        return (difference - 1 / (2 * self.beta)) ** 2
