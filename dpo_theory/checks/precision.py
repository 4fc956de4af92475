"""The precision that a loss computes in, whatever dtype it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.returned import numeric

if TYPE_CHECKING:
    from dpo_theory.checks.subject import Subject

__all__ = ["epsilon_of"]

STEPS = 9


def epsilon_of(subject: Subject, probe: PairLogProbs) -> float:
    """2^-52 for a loss that answers float64 with float64, and computes in it; else 2^-23.

    A lower precision than float32 is `backends-agree`'s to refute.

    Args:
        subject: the loss.
        probe: (N,) pairs to call it on.
    """
    dtype = str(getattr(subject.raw(probe)[0], "dtype", "float64"))
    return 2.0**-52 if dtype.endswith("float64") and not _rounds(subject, probe) else 2.0**-23


def _rounds(subject: Subject, probe: PairLogProbs) -> bool:
    """A part is computed in float32: steps of 2^-24 do not lie on a curve, neither in one batch nor in one call after the other."""
    if subject.backend != "torch":
        return False
    steps = [probe._replace(policy_chosen=probe.policy_chosen + k * 2.0**-24) for k in range(STEPS)]
    columns = zip(*(pairs[:6] for pairs in steps), strict=True)
    together = numeric(subject.raw(PairLogProbs(*(np.concatenate(column) for column in columns)))[0])
    if together is not None and together.size == STEPS * len(probe.policy_chosen) and not _bent(together.reshape(STEPS, -1)):
        return False
    returned = [numeric(subject.raw(pairs)[0]) for pairs in steps]
    return all(value is not None for value in returned) and _bent(np.array([np.reshape(value, -1) for value in returned]))


def _bent(values: np.ndarray) -> bool:
    bend = np.abs(np.diff(values, n=2, axis=0)).max(axis=0)
    return bool(np.median(bend / (1 + np.abs(values[0]))) > 2.0**-40)
