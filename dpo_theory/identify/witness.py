"""The smallest rows on which two losses differ, as code that can be pasted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.witness import pair_text
from dpo_theory.checks.witness import witness as checked_witness
from dpo_theory.evidence import Counterexample
from dpo_theory.identify.box import GROUP, Box
from dpo_theory.identify.samples import PLAIN, ladder, sample, take

__all__ = ["nearest_witness", "smallest"]


def smallest(
    a: Callable[[Any], np.ndarray], b: Callable[[Any], np.ndarray], takes: type, tolerance: float, group: int = 1
) -> tuple[Any, float, float] | None:
    """(rows, a there, b there): the first of a ladder of simple rows on which a and b differ clearly; None where none does.

    Args:
        a, b: record -> (N,), or (N / group,).
        takes: the record.
        tolerance: relative, below which they are equal.
        group: how many rows are evaluated together.
    """
    for batch in (ladder(takes), sample(takes, 40, 6)):
        with np.errstate(all="ignore"):
            left, right = a(batch), b(batch)
        error = np.abs(left - right) / np.maximum(1.0, np.abs(right))
        error = np.where(left == right, 0.0, np.where(np.isnan(error), np.inf, error))
        for wanted in (1e-2, 1e-4, tolerance):
            if (error > wanted).any():
                k = int(np.flatnonzero(error > wanted)[0])
                return take(batch, slice(k * group, (k + 1) * group)), float(left[k]), float(right[k])
    return None


def nearest_witness(target: Box, nearest: Callable[[Any], np.ndarray], scale: float, constant: float, shown: str) -> Counterexample | None:
    """Where the target is not scale * nearest + constant."""
    found = smallest(
        target.values, lambda batch: scale * nearest(batch) + constant, target.takes, 1e-7, GROUP if target.coupled else 1
    )  # fmt: skip
    if found is None:
        return None
    rows, got, expected = found
    because = f"{shown} was fitted, and is another loss here"
    if target.subject is not None and target.plain and isinstance(rows, PairLogProbs):
        plain = rows._replace(**dict.fromkeys(rows._fields[len(PLAIN) :]))
        return checked_witness(target.subject, plain, expected, got, because)
    shown_rows = pair_text(rows) if isinstance(rows, PairLogProbs) else repr(rows)
    return Counterexample(shown_rows, f"{expected:.12g}", f"{got:.12g}", because)
