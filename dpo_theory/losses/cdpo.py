"""DPO with smoothed labels: a fraction epsilon of the comparisons is taken to be flipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs
from bandits.door import as_numpy, require_beta
from dpo_theory._xp import is_symbolic, softplus

__all__ = ["CDPO"]


@dataclass(frozen=True)
class CDPO:
    r"""-(1 - epsilon) log s(z) - epsilon log s(-z), z = beta (log-ratio of chosen - log-ratio of rejected), per comparison.

    A pair that is always won has the finite best margin z = log((1 - epsilon) / epsilon).

    Args:
        beta: reward per nat, > 0.
        epsilon: the fraction of flipped labels, 0 < epsilon < 1/2; at 0 this is `DPO`.

    Source: Mitchell 2023, "A note on DPO with noisy preferences and relationship to IPO".

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0]]))
    >>> CDPO(beta=0.5, epsilon=0.1)(pairs).round(4)
    array([0.4133])
    """

    beta: float = 0.1
    epsilon: float = 0.1

    takes: ClassVar[type] = PairLogProbs
    has: ClassVar[frozenset[str]] = frozenset(
        {
            "antisymmetric-gradient",
            "borda-order",
            "bounded-below",
            "bounded-gradient",
            "calibrated",
            "convex",
            "finite-optimum-when-deterministic",
            "log-ratio-only",
            "log2-at-reference",
            "margin-only",
            "scales-with-beta",
            "shift-invariant",
            "uses-reference",
        }
    )
    lacks: ClassVar[frozenset[str]] = frozenset(
        {
            "bt-proper",
            "displacement-free",
            "flip-robust",
            "length-invariant",
            "monotone",
            "normalised-likelihood",
            "recovers-kl-optimum",
            "vanishing-weight",
        }
    )

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        if not is_symbolic(self.epsilon) and not 0 < float(as_numpy("epsilon", self.epsilon)) < 0.5:
            raise ValueError(f"epsilon is {self.epsilon}, expected 0 < epsilon < 1/2: the fraction of flipped labels. At 0 use DPO.")

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison."""
        z = self.beta * pairs.margin
        return (1 - self.epsilon) * softplus(-z) + self.epsilon * softplus(z)
