"""DPO for pairs that may tie, in the model of Rao and Kupper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, log, softplus
from dpo_theory.losses._options import require_greater
from dpo_theory.losses._outcomes import by_outcome
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["RaoKupperDPO"]


@dataclass(frozen=True)
class RaoKupperDPO:
    r"""-log s(z - log nu) for a pair that is won, -log s(z - log nu) - log s(-z - log nu) - log(nu^2 - 1) for a tie, per comparison.

    z = beta (log-ratio of chosen - log-ratio of rejected).

    `PairLogProbs.target` says which: 1, the chosen answer won; 1/2, a tie; 0, the rejected one won; between them the two losses are
    mixed. Without it every pair was won.

    Args:
        beta: reward per nat, > 0.
        nu: > 1; without a difference a tie has probability (nu - 1) / (nu + 1). At 1 there are no ties: use `DPO`.

    Source: Chen et al. 2024, arXiv:2409.17431, section 3; the model is of Rao and Kupper 1967.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> RaoKupperDPO(nu=3.0)(pairs._replace(target=np.array([0.5]))).round(4)  # a tie of probability 1/2
    array([0.6931])
    """

    beta: float = 0.1
    nu: float = 3.0

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
        require_greater("nu", self.nu, 1, "At 1 there are no ties: use DPO")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z, least = self.beta * pairs.margin, log(self.nu)
        won, lost = softplus(least - z), softplus(least + z)
        if pairs.target is None:
            return won
        tie = won + lost - log(self.nu - 1) - log(self.nu + 1)
        return by_outcome(pairs.target, won, tie, lost)
