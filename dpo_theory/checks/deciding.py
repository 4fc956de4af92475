"""How properties are decided: by the expression first, by numbers where there is none."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Finding, holds, proved, refuted
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.witness import witness
from dpo_theory.proof import is_zero
from dpo_theory.rigor.limit import TimeLimit, time_limit
from dpo_theory.rigor.sign import SignOnReals, decimal, sign_on_reals

__all__ = ["at_margins", "decimal", "identity", "margin_pairs", "margin_slopes", "seen_margin_only", "sign_of"]

TOLERANCE = 1e-9
PATIENCE = 1.0  # seconds of SymPy for one identity
Evaluate = Callable[[PairLogProbs], Any]


def identity(
    subject: Subject,
    sides: Callable[[Evaluate, PairLogProbs], tuple[Any, Any]],
    rng: np.random.Generator,
    because: str,
    *,
    show: str = "loss(pairs)",
    batches: tuple[PairLogProbs, ...] | None = None,
) -> Finding:
    """Decide got = expected for every pair: symbolically, else on small and wide pairs.

    Args:
        subject: the loss.
        sides: (evaluate, pairs) -> (got, expected); it is run on symbols and on numbers alike.
        rng: for the wide pairs.
        because: the likely cause where it is refuted.
        show: what the pasteable code prints.
        batches: the pairs to measure; small and wide by default.
    """
    worst, seen, largest = 0.0, 0, None
    tolerance = subject.tolerance(TOLERANCE)
    weight = 1e-4 if tolerance == TOLERANCE else 1.0
    for pairs in batches or (small(), wide(rng)):
        got, expected = (np.asarray(side, dtype=float) for side in sides(subject.values, pairs))
        got, expected = np.broadcast_arrays(got, expected)
        terms = 1 + np.abs(expected) + weight * sum(np.abs(np.asarray(column)) for column in pairs[:4])
        error = np.where(got == expected, 0.0, np.abs(got - expected) / terms)
        error = np.where(np.isnan(error), np.inf, error)
        seen += len(error)
        if largest is None and error.max() > tolerance:
            k = int(np.flatnonzero(error > tolerance)[0])
            largest = take(pairs, slice(k, k + 1)), expected[k], got[k]
        worst = max(worst, float(error.max()))
    if largest is not None:
        said = f"{because}; the largest difference seen on {seen} pairs is {worst:.3g}"
        return refuted(witness(subject, *largest, said, show), residual=worst, instances=seen)
    expression, symbols = subject.plain_expression, subject.reading.symbols
    if expression is None:
        return holds(seen, worst, tolerance, reason=f"opaque: {subject.reading.opaque}")

    def evaluate(pairs: PairLogProbs) -> Any:
        return expression.xreplace(dict(zip(symbols, map(sp.sympify, pairs[:4]), strict=True)))

    try:
        with time_limit(PATIENCE):
            got, expected = sides(evaluate, PairLogProbs(*symbols))
            difference = decimal(sp.sympify(got) - sp.sympify(expected))
            if is_zero(difference) or sp.simplify(difference) == 0:
                return proved("the difference of both sides is identically 0")
    except TimeLimit:
        return holds(seen, worst, tolerance, reason=f"read, but the rules do not close the difference in {PATIENCE:g} s")
    return holds(seen, worst, tolerance, reason="read, but the rules do not close the difference")


def sign_of(g: Any, m: Any) -> SignOnReals:
    """The sign of a function of the margin on all of R, or `?` when it takes too long to decide."""
    try:
        with time_limit(2 * PATIENCE):
            return sign_on_reals(g, m)
    except TimeLimit as error:
        return SignOnReals("?", False, how=str(error))


def margin_pairs(margins: Any) -> PairLogProbs:
    """Pairs at the given margins in nats, (N,): the policy's log-probabilities stay below 0."""
    m = np.asarray(margins, dtype=float)
    base = -1.0 - np.abs(m)
    return PairLogProbs(base + m / 2, base - m / 2, base, base, np.full(m.shape, 4.0), np.full(m.shape, 4.0))


def at_margins(subject: Subject, margins: Any) -> np.ndarray:
    """(N,) losses at the given margins."""
    return subject.values(margin_pairs(margins))


def margin_slopes(subject: Subject, margins: Any) -> np.ndarray:
    """(N,) derivatives in the margin at the given margins: half the difference of the two partial derivatives."""
    slopes = subject.gradients(margin_pairs(margins))
    return (slopes[:, 0] - slopes[:, 1]) / 2


def seen_margin_only(subject: Subject) -> bool:
    """The loss is a function of the margin: by its expression, or on measured pairs."""
    if subject.margin_expression is not None:
        return True
    pairs = wide(np.random.default_rng(5), 64)
    moved = margin_pairs(pairs.policy_chosen - pairs.policy_rejected - pairs.ref_chosen + pairs.ref_rejected)
    got, expected = subject.values(pairs), subject.values(moved)
    rounding = subject.tolerance(1e-9) * (1 + (subject.epsilon > 1e-9) * np.abs(np.asarray(pairs[:4])).sum(axis=0))
    return bool((np.abs(got - expected) <= rounding * (1 + np.abs(expected))).all())


def rational(value: Fraction | None) -> float:
    """A witness margin as a double."""
    return 0.0 if value is None else float(value)
