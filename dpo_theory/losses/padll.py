"""The PADLL loss: a logistic loss that counts less where the pair is ordered wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus, step
from dpo_theory.losses._options import require_fraction, require_positive
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["PADLL"]


@dataclass(frozen=True)
class PADLL:
    r"""decay (1 - drop [z < 0]) log(1 + e^-z), z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    It jumps at z = 0, from decay (1 - drop) log 2 below to decay log 2 at and above it.

    Args:
        beta: reward per nat, > 0.
        decay: the factor of every pair, > 0.
        drop: the share that a wrongly ordered pair loses, 0 < drop < 1.

    Source: Lu et al. 2024, arXiv:2406.08414, the performance adaptive decay logistic loss.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> (PADLL(beta=0.5)(pairs) / 0.9).round(4)  # DPO
    array([0.3133])
    """

    beta: float = 0.1
    decay: float = 0.9
    drop: float = 0.5

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "log-ratio-only",
            "margin-only",
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
        require_positive("decay", self.decay)
        require_fraction("drop", self.drop, "the share that a wrongly ordered pair loses")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        return self.decay * (1 - self.drop * (1 - step(z))) * softplus(-z)
