"""DPO for pairs that may tie, in the model of Davidson."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, log, softplus
from dpo_theory.losses._options import require_greater
from dpo_theory.losses._outcomes import by_outcome
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["DavidsonDPO"]


@dataclass(frozen=True)
class DavidsonDPO:
    r"""Win, loss and tie have odds e^(z/2) : e^(-z/2) : nu, z = beta (log-ratio of chosen - log-ratio of rejected); the loss is minus the
    log-probability of what happened.

    `PairLogProbs.target` says what: 1, the chosen answer won; 1/2, a tie; 0, the rejected one won; between them the two losses are mixed.
    Without it every pair was won.

    Args:
        beta: reward per nat, > 0.
        nu: > 0; without a difference a tie has probability nu / (nu + 2). Chen et al. write 2 nu for this nu. At 0 there are no ties: use
            `DPO`.

    Source: Chen et al. 2024, arXiv:2409.17431, section 3; the model is of Davidson 1970.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> DavidsonDPO(nu=2.0)(pairs._replace(target=np.array([0.5]))).round(4)  # a tie of probability 1/2
    array([0.6931])
    """

    beta: float = 0.1
    nu: float = 2.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
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
        require_greater("nu", self.nu, 0, "At 0 there are no ties: use DPO")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        half, odds = self.beta * pairs.margin / 2, log(self.nu)
        won = softplus(odds - half + softplus(-half - odds))
        if pairs.target is None:
            return won
        lost = softplus(odds + half + softplus(half - odds))
        tie = softplus(softplus(2 * half) - half - odds)
        return by_outcome(pairs.target, won, tie, lost)
