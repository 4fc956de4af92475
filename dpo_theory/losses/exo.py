"""The EXO loss on pairs: the reverse KL divergence of the policy's preference from a smoothed label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, log, sigmoid, softplus
from dpo_theory.losses._options import require_fraction
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["EXO"]


@dataclass(frozen=True)
class EXO:
    r"""q log(q / (1 - epsilon)) + (1 - q) log((1 - q) / epsilon), q = s(z), z = beta (log-ratio of chosen - log-ratio of rejected), per
    comparison.

    Its smallest value, 0, is at z = log((1 - epsilon) / epsilon); far beyond, and far below, it is flat.

    Args:
        beta: reward per nat, > 0; the paper's beta_pi / beta_r.
        epsilon: the smoothing of the label, 0 < epsilon < 1/2; the loss is infinite without.

    Source: Ji et al. 2024, arXiv:2402.00856, eq. 17.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> EXO(beta=0.5, epsilon=0.1)(pairs).round(4)
    array([0.1141])
    """

    beta: float = 0.1
    epsilon: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "finite-optimum-when-deterministic",
            "log-ratio-only",
            "margin-only",
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
        require_fraction("epsilon", self.epsilon, "the smoothing of the label", below=0.5)

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        agree = -softplus(-z) - log(1 - self.epsilon)
        differ = -softplus(z) - log(self.epsilon)
        return sigmoid(z) * agree + sigmoid(-z) * differ
