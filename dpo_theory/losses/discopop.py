"""The DiscoPOP loss: a logistic and an exponential loss, mixed by the margin itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import require_beta
from dpo_theory._xp import exp, is_symbolic, sigmoid, softplus
from dpo_theory.losses._options import require_fraction
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["DiscoPOP"]


@dataclass(frozen=True)
class DiscoPOP:
    r"""(1 - s(z / tau)) log(1 + e^-z) + s(z / tau) e^-z, z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    Near the reference it rises with the margin: a policy that starts there is first pushed the wrong way.

    Args:
        beta: reward per nat, > 0.
        tau: the width of the mixture, 0 < tau < 1.

    Source: Lu et al. 2024, arXiv:2406.08414, eq. 5, the log-ratio modulated loss (LRML).

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.zeros((4, 1)))
    >>> DiscoPOP()(pairs).round(4)  # (1 + log 2) / 2
    array([0.8466])
    """

    beta: float = 0.1
    tau: float = 0.05

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
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
        require_fraction("tau", self.tau, "the width of the mixture, beyond which the loss is unbounded in exponentials")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        return sigmoid(-z / self.tau) * softplus(-z) + exp(-z - softplus(-z / self.tau))
