"""The R-DPO loss: DPO whose reward charges for every token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._lengths import token_counts
from dpo_theory.losses._options import require_number
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["RDPO"]


@dataclass(frozen=True)
class RDPO:
    r"""-log s(z + alpha (|y_w| - |y_l|)), z = beta (log-ratio of chosen - log-ratio of rejected), |y| the length in tokens, per comparison.

    A long chosen answer explains part of its win by its length, so less is asked of its margin. The population optimum is that of RLHF for
    the reward r - alpha |y|.

    Args:
        beta: reward per nat, > 0.
        alpha: the price of a token in units of reward.

    Source: Park et al. 2024, arXiv:2403.19159, eq. 9.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0], [4], [2]]))
    >>> RDPO(beta=0.5, alpha=0.5)(pairs).round(4)  # z = 1, and 1 for the two tokens more
    array([0.1269])
    """

    beta: float = 0.1
    alpha: float = 0.01

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "convex",
            "log-ratio-only",
            "monotone",
            "normalised-likelihood",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_number("alpha", self.alpha)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: the lengths are missing or not positive.
        """
        chosen, rejected = token_counts(pairs)
        return softplus(-self.beta * pairs.margin - self.alpha * (chosen - rejected))
