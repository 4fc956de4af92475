"""The hinge loss on the scaled margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu

__all__ = ["Hinge"]


@dataclass(frozen=True)
class Hinge:
    r"""max(0, 1 - z), z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    The best margin is z = 1 for every pair that wins more often than it loses: the order is learnt, its strength is not.

    Args:
        beta: reward per nat, > 0.

    Source: Zhao et al. 2023, arXiv:2305.10425; in this form Liu et al. 2023, arXiv:2309.06657.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> Hinge(beta=0.25)(pairs)
    array([0.5])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "convex",
            "finite-optimum-when-deterministic",
            "flip-robust",
            "log-ratio-only",
            "margin-only",
            "monotone",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "borda-order",
            "bt-proper",
            "displacement-free",
            "length-invariant",
            "log2-at-reference",
            "normalised-likelihood",
            "recovers-kl-optimum",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return relu(1 - self.beta * pairs.margin)
