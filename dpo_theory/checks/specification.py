"""Agreement with a specification: the loss is meant to be an implementation of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dpo_theory.checks.batches import extreme, small, take, wide
from dpo_theory.checks.check import Check, Finding, holds, not_applicable, refuted
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.checks.witness import witness

__all__ = ["checks"]

TOLERANCE = 1e-9


def checks(spec: Callable[..., Any]) -> tuple[Check, Check]:
    """The two checks against a specification: its value, and its gradient."""
    meant = make_subject(spec)

    def value(subject: Subject, rng: np.random.Generator) -> Finding:
        return _agree(subject, meant, rng, "value")

    def gradient(subject: Subject, rng: np.random.Generator) -> Finding:
        if subject.backend != "torch":
            return not_applicable("a NumPy function has no autograd")
        return _agree(subject, meant, rng, "gradient")

    return (
        Check(
            "S01",
            "same-value",
            f"Every pair has the value of {meant.name}.\n",
            "contract",
            value,
            "compare the formula term by term",
        ),
        Check("S02", "same-gradient", f"Every pair has the gradient of {meant.name}.\n", "contract", gradient, "look for a detach"),
    )


def _agree(subject: Subject, meant: Subject, rng: np.random.Generator, what: str) -> Finding:
    worst, seen, first = 0.0, 0, None
    for pairs in (small(), wide(rng), extreme()):
        if what == "value":
            got, expected = subject.values(pairs)[:, None], meant.values(pairs)[:, None]
        else:
            got, expected = subject.gradients(pairs)[:, :2], meant.gradients(pairs)[:, :2]
        terms = np.maximum(np.abs(expected), 1e-3 if what == "gradient" else 1.0)
        error = np.where(got == expected, 0.0, np.abs(got - expected) / terms).max(axis=-1)
        error = np.where(np.isnan(error), np.inf, error)
        seen, worst = seen + len(error), max(worst, float(error.max()))
        if first is None and error.max() > TOLERANCE:
            k = int(np.flatnonzero(error > TOLERANCE)[0])
            first = take(pairs, slice(k, k + 1)), expected[k], got[k]
    if first is not None:
        because = f"{meant.name} has another {what}; the largest relative difference on {seen} pairs is {worst:.3g}"
        return refuted(witness(subject, *first, because), residual=worst, instances=seen)
    return holds(seen, worst, TOLERANCE, method=f"{what} against {meant.name}")
