"""The ODPO loss: DPO that asks each pair for a margin of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._options import require_number
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["ODPO"]


@dataclass(frozen=True)
class ODPO:
    r"""-log s(z - offset), z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    The paper's offset is alpha log(score of chosen - score of rejected); `PairLogProbs.offset` carries it, in units of reward.

    Args:
        beta: reward per nat, > 0.
        offset: of pairs that carry none.

    Source: Amini, Vieira, Cotterell 2024, arXiv:2402.10571, eq. 8.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> ODPO(offset=0.0)(pairs).round(4), ODPO()(pairs._replace(offset=np.array([-1.0]))).round(4)
    (array([0.6931]), array([0.3133]))
    """

    beta: float = 0.1
    offset: float = 1.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "convex",
            "log-ratio-only",
            "margin-only",
            "monotone",
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
        require_number("offset", self.offset)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        offset = self.offset if pairs.offset is None else pairs.offset
        return softplus(offset - self.beta * pairs.margin)
