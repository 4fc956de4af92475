"""Likelihood of the chosen answer, and of not giving the rejected one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import as_numpy
from dpo_theory._xp import is_symbolic, log1mexp
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, answer_logps
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["UnlikelihoodTraining"]


@dataclass(frozen=True)
class UnlikelihoodTraining:
    r"""-log pi(y_w|x) - alpha log(1 - pi(y_l|x)), per comparison.

    Unlike `Unlikelihood` it has the floor 0.

    Args:
        alpha: weight of the rejected answer, >= 0; at 0 this is `PreferredFT`.
        token_logps: `sum` over the tokens of an answer, or their `mean`.

    Source: Welleck et al. 2019, arXiv:1908.04319, on whole answers instead of tokens.

    >>> import numpy as np
    >>> pairs = PairLogProbs(np.log([0.5]), np.log([0.25]), None, None)
    >>> UnlikelihoodTraining()(pairs).round(4)  # -log 0.5 - log 0.75
    array([0.9808])
    """

    alpha: float = 1.0
    token_logps: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        require_nonnegative("alpha", self.alpha)
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """Averages forget lengths."""
        found = {"bounded-below", "monotone"} | ({"length-invariant"} if self.token_logps == "mean" else set())
        return frozenset(found | ({"bounded-gradient", "convex", "displacement-free"} if self.alpha == 0 else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing, or the rejected answer is certain.
        """
        chosen, rejected = answer_logps(pairs, self.token_logps)
        if not is_symbolic(self.alpha) and self.alpha == 0:
            return -chosen
        if not is_symbolic(rejected) and not type(rejected).__module__.startswith("bandits."):
            most = float(as_numpy("policy_rejected", rejected).max(initial=-np.inf))
            if most >= 0:
                raise ValueError(f"policy_rejected holds the log-probability {most:g}, expected less than 0: log(1 - 1) has no value.")
        return -chosen - self.alpha * log1mexp(rejected)
