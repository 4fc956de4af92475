"""The BCO loss: a binary classifier of single answers, with a shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import LabelledLogProbs
from bandits.door import require_beta
from dpo_theory._xp import is_symbolic, softplus
from dpo_theory.losses._labels import as_labels

__all__ = ["BCO"]


@dataclass(frozen=True)
class BCO:
    r"""-log s(beta h - delta) of a desirable answer, -log s(delta - beta h) of an undesirable one, h = log pi/pi_ref.

    The shift is the data's: delta = beta times `baseline` (nats), 0 where there is none. The paper's delta is the mean of the
    running averages of beta h over desirable and over undesirable answers; libraries that dropped it have delta = 0.

    Args:
        beta: reward per nat, > 0.

    Source: Jung et al. 2024, arXiv:2404.04656. The paper's reweighting by an underlying distribution is left to sampling weights.

    >>> import numpy as np
    >>> BCO(beta=0.5)(LabelledLogProbs(np.array([-1.0, -1.0]), np.array([-3.0, -3.0]), [True, False])).round(4)
    array([0.3133, 1.3133])
    """

    beta: float = 0.1

    takes: ClassVar[type] = LabelledLogProbs
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

    def __call__(self, labelled: LabelledLogProbs) -> Any:
        """(N,) one loss per answer."""
        baseline = 0.0 if labelled.baseline is None else labelled.baseline
        reward = self.beta * (labelled.log_ratio - baseline)
        return softplus((1 - 2 * as_labels(labelled)) * reward)
