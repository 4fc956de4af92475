"""The PFL loss: logistic where the policy orders the pair, a steeper hinge where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, relu, softplus, step
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["PFL"]


@dataclass(frozen=True)
class PFL:
    r"""-log s(z) / 2 where log pi(y_w|x) > log pi(y_l|x), else 2 max(0, 1 - z); z = beta (log-ratio of chosen - log-ratio of rejected).

    The branch is taken by the policy alone, without the reference, and the loss jumps there.

    Args:
        beta: reward per nat, > 0.

    Source: Lu et al. 2024, arXiv:2406.08414, a discovered loss.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0, -3.0], [-3.0, -1.0], [-2.0, -2.0], [-2.0, -2.0]]))
    >>> PFL(beta=0.5)(pairs).round(4)
    array([0.1566, 4.    ])
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {"antisymmetric-gradient", "bounded-below", "bounded-gradient", "shift-invariant", "uses-reference", "vanishing-weight"}
    )
    lacks: ClassVar[frozenset[str]] = PROPERTIES - has

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        disordered = step(pairs.policy_rejected - pairs.policy_chosen)
        return (1 - disordered) * softplus(-z) / 2 + disordered * 2 * relu(1 - z)
