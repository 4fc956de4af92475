"""Losses whose pairs see each other, asked about batches of two pairs, the losses added."""

from __future__ import annotations

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.witness import witness
from dpo_theory.evidence import Verdict
from dpo_theory.matrix.case import Case
from dpo_theory.matrix.record import Cell

__all__ = ["bends", "shifts"]

BATCHES = 300
TOLERANCE = 1e-6


def shifts(case: Case) -> Cell:
    """The cell of the column Tr; each pair of a batch gets a constant of its own."""
    alone = case.cell("Tr", "shift-invariant")
    subject = case.subject
    if not (subject.batch_coupled and alone.verdict.holds):
        return alone
    constants = np.array([-2.0, -0.25])
    for pairs in _batches():
        moved = pairs._replace(policy_chosen=pairs.policy_chosen + constants, policy_rejected=pairs.policy_rejected + constants)
        before, after = _sum(subject, pairs), _sum(subject, moved)
        if abs(after - before) > TOLERANCE * (1 + abs(before)):
            because = "a constant for each prompt changes the batch, though it changes no margin"
            shown = witness(subject, pairs, f"the same sum, {before:.9g}, after -2 and -1/4", after, because)
            return Cell("Tr", "n", Verdict.REFUTED, alone.statement, reason="a batch of two pairs", counterexample=shown)
    return Cell("Tr", "y", Verdict.HOLDS, alone.statement, f"{BATCHES} batches of two pairs", f"{alone.verdict.value} for a pair alone")


def bends(subject: Subject, alone: Cell) -> Cell:
    """The cell of the column Cvx of such a loss: lines of log-probabilities of a batch."""
    ends = _batches(), _batches(31)
    for one, other in zip(*ends, strict=True):
        other = other._replace(ref_chosen=one.ref_chosen, ref_rejected=one.ref_rejected)
        middle = PairLogProbs(*((np.asarray(a) + np.asarray(b)) / 2 for a, b in zip(one[:6], other[:6], strict=True)))
        low, value, high = (_sum(subject, pairs) for pairs in (one, middle, other))
        if value - (low + high) / 2 > TOLERANCE * (1 + abs(low) + abs(high)):
            because = "a batch of two: on a line of log-probabilities its middle lies above the chord of the summed losses"
            shown = witness(subject, middle, f"a sum <= {(low + high) / 2:.9g}, between {low:.9g} and {high:.9g}", value, because)
            return Cell("Cvx", "n", Verdict.REFUTED, alone.statement, reason="a batch of two pairs", counterexample=shown)
    return alone


def _batches(seed: int = 29) -> list[PairLogProbs]:
    rng = np.random.default_rng(seed)
    lengths = np.full((2, 2), 4.0)
    return [PairLogProbs(*(-rng.exponential(3.0, size=(4, 2)) - 1e-6), *lengths) for _ in range(BATCHES)]


def _sum(subject: Subject, pairs: PairLogProbs) -> float:
    value = subject.raw(pairs)[0]
    return float(np.sum(value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)))
