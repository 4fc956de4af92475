"""Convexity in logits, in log-probabilities, and of a batch whose pairs see each other."""

from __future__ import annotations

import dataclasses

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.subject import Subject
from dpo_theory.evidence import Verdict
from dpo_theory.matrix.case import Case
from dpo_theory.matrix.record import Cell
from dpo_theory.matrix.together import bends

__all__ = ["convex_where"]

LINES = 2000


def convex_where(case: Case) -> Cell:
    """The cell of the column Cvx: in logits, else in log pi alone, else nowhere."""
    found = case.cell("Cvx", "convex")
    if case.subject.batch_coupled:
        return bends(case.subject, found)
    if found.verdict is not Verdict.REFUTED or case.on_margin:
        return found
    if _bent(case.subject) is None:
        return dataclasses.replace(found, shown="in log pi", reason=f"in (log pi_w, log pi_l) no chord of {LINES} lies below the loss")
    return found


def _bent(subject: Subject) -> tuple[PairLogProbs, np.ndarray] | None:
    """Three pairs on a line of log-probabilities whose middle lies above the chord."""
    rng = np.random.default_rng(23)
    ends = -rng.exponential(rng.choice([0.3, 3.0, 30.0], size=(1, LINES, 1)), size=(2, LINES, 2)) - 1e-6
    ref = -rng.exponential(rng.choice([0.3, 3.0, 30.0], size=(LINES, 1)), size=(LINES, 2)) - 1e-6
    lengths = rng.integers(1, 9, size=(LINES, 2)).astype(float)
    points = [PairLogProbs(*z.T, *ref.T, *lengths.T) for z in (ends[0], ends.mean(axis=0), ends[1])]
    low, middle, high = (subject.values(pairs) for pairs in points)
    size = 1 + np.abs(low) + np.abs(high)
    excess = (middle - (low + high) / 2) / size
    k = int(np.argmax(excess))
    if excess[k] <= subject.tolerance(1e-9):
        return None
    return PairLogProbs(*(np.array([np.asarray(p[i])[k] for p in points]) for i in range(6))), np.array([low[k], middle[k], high[k]])
