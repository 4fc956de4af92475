"""Where a pair that is always won comes to rest: functions of the margin."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.deciding import at_margins, margin_slopes
from dpo_theory.checks.population import EDGE, best_margins, reward_scale
from dpo_theory.checks.subject import Subject
from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint.link import quietly
from dpo_theory.matrix.case import SURROGATE, Case
from dpo_theory.matrix.free import freely
from dpo_theory.matrix.letters import in_letters
from dpo_theory.matrix.record import Cell

__all__ = ["rests"]

SECONDS = 4.0


def rests(case: Case) -> Cell:
    """The cell of the column Det: the best margin, or the best two log-probabilities, of a pair whose chosen answer always wins."""
    if case.surrogate:
        return Cell("Det", "-", Verdict.NOT_APPLICABLE, "a pair that is always won has a best margin", reason=SURROGATE)
    falls = case.evidence("bounded-below").verdict is Verdict.REFUTED
    if not case.on_margin:
        return freely(case.subject, case.evidence("uses-reference").verdict.holds, falls)
    found = case.cell("Det", "finite-optimum-when-deterministic", yes="F", no="inf", relative=True)
    if found.verdict.holds:
        return dataclasses.replace(found, shown=f"F m {_best(case.relative)}")
    return dataclasses.replace(found, shown="inf, the loss to -inf") if found.verdict is Verdict.REFUTED and falls else found


def _best(subject: Subject) -> str:
    """`= ` the best margin, `>= ` where the loss is flat from it on."""
    best, scale = best_margins(subject, 1.0), reward_scale(subject)
    if best.max() >= EDGE * scale * 0.999 and best.min() < best.max():
        return f">= {_flat_from(subject, best.min()):.4g}"
    number = _refined(subject, float(best[0]))
    found = quietly(in_letters, subject, _stationary, seconds=SECONDS)
    if found is not None:
        value = complex(found[0].subs(found[1]).evalf(15))
        if abs(value - number) <= 1e-5 * (scale + abs(number)):
            return f"= {found[0]}".replace("**", "^")
    return f"= {number:.4g}"


def _stationary(call: Any) -> Any:
    """The margin at which the slope is 0, in the letters of the options; where there is not exactly one, an error."""
    m = sp.Symbol("m", real=True)
    one = sp.Symbol("n", positive=True)
    slope = sp.diff(sp.sympify(call(PairLogProbs(m, sp.S.Zero, sp.S.Zero, sp.S.Zero, one, one))), m)
    (only,) = sp.solve(slope, m)
    return sp.simplify(only)


def _flat_from(subject: Subject, at: float) -> float:
    """The smallest margin with the smallest loss."""
    low, high = at * 0.97, at * 1.03
    least = at_margins(subject, [2 * at])[0]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if at_margins(subject, [middle])[0] <= least else (middle, high)
    return high


def _refined(subject: Subject, at: float) -> float:
    """The place near a point of the table where the slope turns."""
    low, high = at - 0.02 * abs(at) - 1e-3, at + 0.02 * abs(at) + 1e-3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if margin_slopes(subject, np.array([middle]))[0] >= 0 else (middle, high)
    return high
