"""The BCO loss on pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._options import require_number

__all__ = ["BCOPair"]


@dataclass(frozen=True)
class BCOPair:
    r"""-log s(beta a - delta) - log s(delta - beta b), a and b the log-ratios of chosen and rejected, per comparison.

    It is `BCO` of the chosen answer as desirable plus that of the rejected one as undesirable.

    Args:
        beta: reward per nat, > 0.
        delta: shift in units of reward; 0 in libraries that dropped the paper's running average.

    Source: Jung et al. 2024, arXiv:2404.04656, on paired answers.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-3.0], [-3.0]]))
    >>> BCOPair(beta=0.5)(pairs).round(4)
    array([1.0064])
    """

    beta: float = 0.1
    delta: float = 0.0

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-below",
            "bounded-gradient",
            "log-ratio-only",
            "monotone",
            "scales-with-beta",
            "uses-reference",
            "vanishing-weight",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bt-proper",
            "calibrated",
            "convex",
            "displacement-free",
            "finite-optimum-when-deterministic",
            "flip-robust",
            "length-invariant",
            "log2-at-reference",
            "margin-only",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "shift-invariant",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_number("delta", self.delta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return softplus(self.delta - self.beta * pairs.chosen_log_ratio) + softplus(self.beta * pairs.rejected_log_ratio - self.delta)
