"""DPO on log-ratios per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._lengths import token_counts
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["LengthNormalisedDPO"]


@dataclass(frozen=True)
class LengthNormalisedDPO:
    r"""-log s(beta (a / |y_w| - b / |y_l|)), a and b the log-ratios of chosen and rejected, |y| the length in tokens, per comparison.

    Log Z does not cancel between answers of different lengths, so the optimum is not that of RLHF.

    Args:
        beta: reward per nat and token, > 0.

    Source: Lambert et al. 2024, arXiv:2411.15124, eq. 6; `sigmoid_norm` in TRL.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0], [4], [2]]))
    >>> LengthNormalisedDPO(beta=2.0)(pairs).round(4)  # 1/4 and -1/2 nats per token
    array([0.2014])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-below",
            "bounded-gradient",
            "length-invariant",
            "log-ratio-only",
            "log2-at-reference",
            "monotone",
            "normalised-likelihood",
            "scales-with-beta",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: the lengths are missing or not positive.
        """
        chosen, rejected = token_counts(pairs)
        return softplus(-self.beta * (pairs.chosen_log_ratio / chosen - pairs.rejected_log_ratio / rejected))
