"""What a search returns: where it stopped, why, and how far the optimum can still be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bandits.door import Array

__all__ = ["Certificate", "Solution", "Status", "worst_status"]


class Status(StrEnum):
    """Why a search stopped. A status compares equal to its name: `solution.status == "optimal"`."""

    OPTIMAL = "optimal"
    FLAT = "flat"
    SEVERAL_MINIMA = "several_minima"
    NOT_CONVERGED = "not_converged"
    NO_MINIMISER = "no_minimiser"


def worst_status(statuses: tuple[Status, ...]) -> Status:
    """The status that speaks for all contexts: the last of them in the order of `Status`."""
    return max(set(statuses), key=list(Status).index)


@dataclass(frozen=True, eq=False)
class Certificate:
    """How strong the answer is.

    Args:
        gap_bound: the objective is at most this far from its optimum.
        distance_bound: every log-probability is at most this far from the optimum's, in nats; for a flat problem,
            from the optimum that keeps the reference's mass in each component.
        reason: the argument, in a sentence.
        statuses: (X,) the status of each context.
        components: (X, A) labels; differences of log-ratios are identified within a label and nowhere else.
            None when the whole context is identified.
        direction: (X, A) along which the loss falls for ever, zero in contexts that have a minimiser; None if all have one.
        minima: the other policies, (X, A) log-probabilities, that several starts reached.
    """

    gap_bound: float
    distance_bound: float
    reason: str
    statuses: tuple[Status, ...] = ()
    components: Array | None = None
    direction: Array | None = None
    minima: tuple[Array, ...] = ()


@dataclass(frozen=True, eq=False)
class Solution:
    """The end of a search.

    Args:
        log_policy: (X, A) log-probabilities; NaN in a context that has no minimiser, never a number that looks like one.
        value: the objective there; NaN when there is no minimiser and its infimum is not proved.
        gradient_norm: largest entry of the gradient in the logits.
        steps: iterations taken.
        status: the worst of the contexts' statuses.
        certificate: bounds and their reason.
    """

    log_policy: Array
    value: float
    gradient_norm: float
    steps: int
    status: Status
    certificate: Certificate

    @property
    def policy(self) -> Array:
        """(X, A) probabilities."""
        return np.exp(self.log_policy)
