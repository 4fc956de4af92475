"""The KTO loss: single answers against a reference point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from bandits.data import LabelledLogProbs
from bandits.door import require_beta
from dpo_theory._xp import detached, is_symbolic, relu, sigmoid, total
from dpo_theory.losses._labels import as_labels
from dpo_theory.losses._options import require_convention
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["KTO"]


@dataclass(frozen=True)
class KTO:
    r"""lambda_D (1 - s(beta (h - z0))) of a desirable answer, lambda_U (1 - s(beta (z0 - h))) of an undesirable one, h = log pi/pi_ref.

    Args:
        beta: reward per nat, > 0.
        desirable_weight: lambda_D, > 0.
        undesirable_weight: lambda_U, > 0.
        reference_point: `given`: z0 is the data's `baseline` in nats, for the paper's estimate the mean h over answers that belong
            to other prompts, not below 0. `batch`: z0 = max(0, mean of h over the batch), held fixed in the gradient, so that the
            answers of a batch see each other and the gradient is not that of the value.

    With the baseline 0 on both answers of a pair it is `APOZero`.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306, eq. 8.

    >>> import numpy as np
    >>> answers = LabelledLogProbs(np.array([-1.0, -1.0]), np.array([-3.0, -3.0]), [True, False], baseline=2.0)
    >>> KTO(beta=0.5)(answers)
    array([0.5, 0.5])
    """

    beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    reference_point: Literal["given", "batch"] = "given"

    takes: ClassVar[type] = LabelledLogProbs

    def __post_init__(self) -> None:
        for name in ("beta", "desirable_weight", "undesirable_weight"):
            if not is_symbolic(getattr(self, name)):
                require_beta(getattr(self, name), name)
        require_convention("reference_point", self.reference_point, ("given", "batch"))

    @property
    def has(self) -> frozenset[str]:
        """Properties of a chosen answer as desirable and a rejected one as undesirable, with baseline 0 where it is given."""
        found = {"bounded-below", "bounded-gradient", "log-ratio-only", "monotone", "scales-with-beta", "uses-reference"}
        found.add("vanishing-weight")
        found |= {"flip-robust"} if self.desirable_weight == self.undesirable_weight else set()
        return frozenset(found | ({"batch-coupled", "surrogate-gradient"} if self.reference_point == "batch" else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, labelled: LabelledLogProbs) -> Any:
        """(N,) one loss per answer.

        Raises:
            ValueError: a baseline is missing, or is there and would not be used.
        """
        desirable = as_labels(labelled)
        ratio = labelled.log_ratio
        weight = self.undesirable_weight + (self.desirable_weight - self.undesirable_weight) * desirable
        return weight * sigmoid((1 - 2 * desirable) * self.beta * (ratio - self._reference_point(ratio, labelled.baseline)))

    def _reference_point(self, ratio: Any, baseline: Any) -> Any:
        if self.reference_point == "batch":
            if baseline is not None:
                raise ValueError("the data has a baseline, but reference_point is 'batch'. Leave it out, or use 'given'.")
            if np.ndim(ratio) != 1:
                raise ValueError(f"policy has shape {tuple(np.shape(ratio))}, expected (N,): the reference point is a mean over the batch.")
            return relu(detached(total(ratio) / len(ratio)))
        if baseline is None:
            raise ValueError("baseline is missing: KTO compares with a reference point in nats. Give it, or use reference_point='batch'.")
        return detached(baseline) if hasattr(baseline, "detach") else baseline
