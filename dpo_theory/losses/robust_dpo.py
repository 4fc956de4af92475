"""Robust DPO: the DPO loss debiased for a known rate of flipped labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._options import require_fraction
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["RobustDPO"]


@dataclass(frozen=True)
class RobustDPO:
    r"""[-(1 - epsilon) log s(z) + epsilon log s(-z)] / (1 - 2 epsilon), z = beta (log-ratio of chosen - log-ratio of rejected), per
    comparison.

    Its mean over labels that are flipped with probability epsilon is `DPO` on the true ones, and so is the mean of its gradient. A pair
    alone has no smallest loss: beyond every margin it goes on falling, by epsilon / (1 - 2 epsilon) per unit of z.

    Args:
        beta: reward per nat, > 0.
        epsilon: the rate of flipped labels, 0 < epsilon < 1/2; at 0 this is `DPO`.

    Source: Ray Chowdhury, Kini, Natarajan 2024, arXiv:2403.00409, eq. 12.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> RobustDPO(beta=0.5, epsilon=0.1)(pairs).round(4)
    array([0.1883])
    """

    beta: float = 0.1
    epsilon: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-gradient",
            "calibrated",
            "convex",
            "log-ratio-only",
            "log2-at-reference",
            "margin-only",
            "monotone",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_fraction("epsilon", self.epsilon, "the rate of flipped labels. At 0 use DPO", below=0.5)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        return ((1 - self.epsilon) * softplus(-z) - self.epsilon * softplus(z)) / (1 - 2 * self.epsilon)
