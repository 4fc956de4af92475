"""Fine-tuning on the chosen answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, negative_log_likelihood
from dpo_theory.losses._options import require_convention
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["PreferredFT"]


@dataclass(frozen=True)
class PreferredFT:
    r"""-log pi(y_w|x), per comparison.

    The optimum is the law of the winners: with pairs drawn independently from mu, 2 mu_i times the win rate of i.

    Args:
        token_logps: `sum` over the tokens of the answer, or their `mean`.

    Source: Rafailov et al. 2023, arXiv:2305.18290, sec. 6 (Preferred-FT). Verified by claims `D12`, `D32`.

    >>> import numpy as np
    >>> PreferredFT()(PairLogProbs(*np.array([[-1.0], [-3.0], [0.0], [0.0]])))
    array([1.])
    """

    token_logps: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """An average forgets lengths."""
        found = {"bounded-below", "bounded-gradient", "convex", "displacement-free", "monotone"}
        return frozenset(found | ({"length-invariant"} if self.token_logps == "mean" else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: an average is wanted and lengths are missing.
        """
        return negative_log_likelihood(pairs, self.token_logps)
