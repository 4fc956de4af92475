"""GPO with the truncated quadratic loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["TruncatedQuadratic"]


@dataclass(frozen=True)
class TruncatedQuadratic:
    r"""max(0, 1 - z)^2, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    It is 0 from z = 1 on, where `SquaredGPO` comes back up; below it is the same.

    Args:
        beta: reward per nat, > 0; every margin from 1 / beta nats on is best.

    Source: Tang et al. 2024, arXiv:2402.05749, table 1.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> TruncatedQuadratic(beta=0.25)(pairs), TruncatedQuadratic(beta=1.0)(pairs)
    (array([0.25]), array([0.]))
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "calibrated",
            "convex",
            "finite-optimum-when-deterministic",
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

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return relu(1 - self.beta * pairs.margin) ** 2
