"""Likelihood of the chosen answer minus a part of that of the rejected one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["Unlikelihood"]


@dataclass(frozen=True)
class Unlikelihood:
    r"""-log pi(y_w|x) + alpha log pi(y_l|x), per comparison.

    The loss of a pair has no floor. On a population with winner law W and loser law L it has one if and only if
    alpha <= W_i / L_i for every answer i, and then the optimum is (W - alpha L)/(1 - alpha).

    Args:
        alpha: weight of the rejected answer, >= 0; at 0 this is `PreferredFT`.
        token_logps: `sum` over the tokens of an answer, as in the paper, or their `mean`.

    Source: Rafailov et al. 2023, arXiv:2305.18290, App. C.3. The unlikelihood of Welleck et al. is `UnlikelihoodTraining`.
    Verified by claim `D34`.

    >>> import numpy as np
    >>> Unlikelihood(alpha=0.5)(PairLogProbs(*np.array([[-1.0], [-3.0], [0.0], [0.0]])))
    array([-0.5])
    """

    alpha: float = 0.5
    token_logps: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        require_nonnegative("alpha", self.alpha)
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """A linear function of two log-probabilities; at alpha = 1, of their difference."""
        found = {"bounded-gradient", "monotone"}
        if self.token_logps == "mean":
            found.add("length-invariant")
        elif self.alpha <= 1:
            found |= {"convex"} | ({"antisymmetric-gradient", "shift-invariant"} if self.alpha == 1 else set())
        if self.alpha == 1:
            found.add("flip-robust")
        if self.alpha == 0:
            found |= {"bounded-below", "convex", "displacement-free"}
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
        return self.alpha * rejected - chosen
