"""The RSO loss: the hinge with its own scale gamma, for pairs that rejection sampling has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["RSO"]


@dataclass(frozen=True)
class RSO:
    r"""max(0, 1 - gamma (log-ratio of chosen - log-ratio of rejected)), per comparison.

    What sets it apart is where pairs come from: answers drawn from the reference and accepted as if from the optimal policy. The other
    form of the paper, the log-sigmoid on the same pairs, is `DPO` with beta = gamma.

    Args:
        gamma: reward per nat, > 0; the best margin of a pair that wins more often than it loses is 1 / gamma.

    Source: Liu et al. 2023, arXiv:2309.06657, the hinge-norm loss.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> RSO(gamma=0.25)(pairs)
    array([0.5])
    """

    gamma: float = 0.1

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
            "shift-invariant",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.gamma):
            require_beta(self.gamma, "gamma")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return relu(1 - self.gamma * pairs.margin)
