"""GPO with the squared loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["SquaredGPO"]


@dataclass(frozen=True)
class SquaredGPO:
    r"""(1 - z)^2, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    It comes back up beyond z = 1, where `TruncatedQuadratic` stays at 0. In nats it is beta^2 times `IPO` with tau = beta / 2.

    Args:
        beta: reward per nat, > 0; the margin aimed at is 1 / beta nats.

    Source: Tang et al. 2024, arXiv:2402.05749, table 1 (IPO).

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> SquaredGPO(beta=1.0)(pairs)
    array([1.])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-below",
            "calibrated",
            "convex",
            "finite-optimum-when-deterministic",
            "log-ratio-only",
            "margin-only",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return (1 - self.beta * pairs.margin) ** 2
