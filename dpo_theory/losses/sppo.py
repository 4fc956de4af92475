"""The SPPO loss: each log-ratio towards one step of multiplicative weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic

__all__ = ["SPPO"]


@dataclass(frozen=True)
class SPPO:
    r"""(a - (P - 1/2)/beta)^2 + (b + (P - 1/2)/beta)^2, a and b the log-ratios of chosen and rejected, P = P(chosen wins).

    P is the data's `target` where there is one (soft labels), else 1 (hard labels). The paper's eta is 1/beta, and its
    log-partition function is replaced by eta/2.

    Args:
        beta: reward per nat, > 0.

    Source: Wu et al. 2024, arXiv:2405.00675, the loss on pairs.

    >>> import numpy as np
    >>> columns = np.array([[-1.0], [-3.0], [-2.0], [-2.0]])
    >>> SPPO(beta=0.5)(PairLogProbs(*columns)), SPPO(beta=0.5)(PairLogProbs(*columns, target=np.array([0.5])))
    (array([0.]), array([2.]))
    """

    beta: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-below",
            "log-ratio-only",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-gradient",
            "bt-proper",
            "calibrated",
            "convex",
            "displacement-free",
            "finite-optimum-when-deterministic",
            "flip-robust",
            "length-invariant",
            "log2-at-reference",
            "margin-only",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "scales-with-beta",
            "shift-invariant",
            "vanishing-weight",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        aim = ((1.0 if pairs.target is None else pairs.target) - 0.5) / self.beta
        return (pairs.chosen_log_ratio - aim) ** 2 + (pairs.rejected_log_ratio + aim) ** 2
