"""The IPO loss: a squared distance of the margin from 1/(2 tau)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic

__all__ = ["IPO"]


@dataclass(frozen=True)
class IPO:
    r"""(log-ratio of chosen - log-ratio of rejected - 1/(2 tau))^2, per comparison, on summed log-probabilities.

    The population optimum has the margin (2p - 1)/(2 tau) for a pair whose chosen answer wins with probability p.

    Args:
        tau: regularisation, > 0; the margin aimed at is 1/(2 tau) nats.

    Source: Azar et al. 2023, arXiv:2310.12036, eq. 17.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> IPO(tau=0.5)(pairs)
    array([1.])
    """

    tau: float = 0.1

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
            "shift-invariant",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "bounded-gradient",
            "bt-proper",
            "displacement-free",
            "flip-robust",
            "length-invariant",
            "log2-at-reference",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "scales-with-beta",
            "vanishing-weight",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.tau):
            require_beta(self.tau, "tau")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        return (pairs.margin - 1 / (2 * self.tau)) ** 2
