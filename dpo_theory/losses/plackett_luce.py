"""DPO for rankings, eq. 20."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import RankedLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, surprises, total

__all__ = ["PlackettLuceDPO"]


@dataclass(frozen=True)
class PlackettLuceDPO:
    r"""-sum_k [ beta h_k - log sum_{j >= k} exp(beta h_j) ], h = log pi/pi_ref, rankings best first.

    A partial ranking is given by the answers that it ranks alone: the model is closed under leaving answers out. One whose best answers
    are ranked, above a rest in no order, is given whole, with `top`.

    Args:
        beta: reward per nat, > 0.
        top: only the first `top` choices are scored; None scores them all. Truncation keeps the loss shift-invariant.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 20. Verified by claims `D25`, `D25b`.

    >>> import numpy as np
    >>> from bandits.data import RankedLogProbs
    >>> zero = np.zeros((1, 3))
    >>> PlackettLuceDPO(beta=0.5)(RankedLogProbs(zero, zero)).round(4)  # log 3!
    array([1.7918])
    """

    beta: float = 0.1
    top: int | None = None

    takes: ClassVar[type] = RankedLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        if self.top is not None and (not isinstance(self.top, int) or isinstance(self.top, bool) or self.top < 1):
            raise ValueError(f"top is {self.top!r}, expected a whole number >= 1, or None to score every choice.")

    def __call__(self, ranked: RankedLogProbs) -> Any:
        """(N,) one loss per ranking."""
        surprise = surprises(self.beta * ranked.log_ratio)
        return total(surprise if self.top is None else surprise[..., : self.top])
