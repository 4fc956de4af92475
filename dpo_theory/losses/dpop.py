"""The DPOP loss: DPO that is penalised where the chosen answer falls below its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu, softplus
from dpo_theory.losses._options import require_convention, require_nonnegative
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["DPOP"]


@dataclass(frozen=True)
class DPOP:
    r"""-log s(beta [ a - b - weight max(0, -a) ]), a and b the log-ratios of chosen and rejected, per comparison.

    At the reference a is 0, where the penalty has a kink.

    Args:
        beta: reward per nat, > 0.
        weight: of the penalty, the paper's lambda, >= 0; at 0 this is `DPO`.
        penalty: `inside` the log-sigmoid, as in the paper, or `outside`: -log s(beta (a - b)) + weight max(0, -a), as other code
            has it.

    Source: Pal et al. 2024, arXiv:2402.13228, eq. 3.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-3.0], [-9.0], [-2.0], [-4.0]]))
    >>> DPOP(beta=0.5, weight=4.0)(pairs).round(4), DPOP(beta=0.5, weight=4.0, penalty="outside")(pairs).round(4)
    (array([0.6931]), array([4.1269]))
    """

    beta: float = 0.1
    weight: float = 50.0
    penalty: Literal["inside", "outside"] = "inside"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_nonnegative("weight", self.weight)
        require_convention("penalty", self.penalty, ("inside", "outside"))

    @property
    def has(self) -> frozenset[str]:
        """The penalty sees the chosen answer by itself; without it this is `DPO`."""
        from dpo_theory.losses.dpo import DPO

        if not is_symbolic(self.weight) and self.weight == 0:
            return DPO.has
        found = {"bounded-below", "bounded-gradient", "convex", "log-ratio-only", "log2-at-reference", "monotone", "uses-reference"}
        return frozenset(found | {"vanishing-weight"} | ({"scales-with-beta"} if self.penalty == "inside" else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        shortfall = self.weight * relu(-pairs.chosen_log_ratio)
        if self.penalty == "inside":
            return softplus(-self.beta * (pairs.margin - shortfall))
        return softplus(-self.beta * pairs.margin) + shortfall
