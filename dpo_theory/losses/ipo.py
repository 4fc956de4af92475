"""The IPO loss: a squared distance of the margin from 1/(2 tau)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic
from dpo_theory.losses._lengths import SUM_OR_MEAN, SumOrMean, token_counts
from dpo_theory.losses._options import require_convention
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["IPO"]


@dataclass(frozen=True)
class IPO:
    r"""(log-ratio of chosen - log-ratio of rejected - 1/(2 tau))^2, per comparison.

    The population optimum has the margin (2p - 1)/(2 tau) for a pair whose chosen answer wins with probability p.

    Args:
        tau: regularisation, > 0; the margin aimed at is 1/(2 tau) nats.
        token_logps: the log-ratios are the `sum` over an answer's tokens, as in the paper, or their `mean`, as TRL has it: then log Z
            does not cancel between answers of different lengths.

    Source: Azar et al. 2023, arXiv:2310.12036, eq. 17.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> IPO(tau=0.5)(pairs)
    array([1.])
    """

    tau: float = 0.1
    token_logps: SumOrMean = "sum"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.tau):
            require_beta(self.tau, "tau")
        require_convention("token_logps", self.token_logps, SUM_OR_MEAN)

    @property
    def has(self) -> frozenset[str]:
        """A difference of averages is no margin."""
        found = {"bounded-below", "log-ratio-only", "uses-reference"}
        if self.token_logps == "mean":
            return frozenset(found | {"length-invariant"})
        found |= {"antisymmetric-gradient", "borda-order", "calibrated", "convex", "finite-optimum-when-deterministic"}
        return frozenset(found | {"margin-only", "shift-invariant"})

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: averages are wanted and lengths are missing.
        """
        if self.token_logps == "sum":
            return (pairs.margin - 1 / (2 * self.tau)) ** 2
        chosen, rejected = token_counts(pairs)
        return (pairs.chosen_log_ratio / chosen - pairs.rejected_log_ratio / rejected - 1 / (2 * self.tau)) ** 2
