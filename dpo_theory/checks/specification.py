"""Agreement with a specification: the loss is meant to be an implementation of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import extreme, small, take, wide
from dpo_theory.checks.check import Check, Finding, holds, not_applicable, refuted
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.checks.witness import slopes_shown, witness

__all__ = ["checks"]

TOLERANCE = 2.0**-23  # a beta that was rounded to float32 is the same beta


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
    single = subject.epsilon > 1e-9
    tolerance = max(TOLERANCE, (256 if what == "value" else 2**13) * subject.epsilon)
    worst, seen, first = 0.0, 0, None
    for pairs in (small(), wide(rng)) if single else (small(), wide(rng), extreme()):
        if what == "value":
            got, expected = subject.values(pairs)[:, None], meant.values(pairs)[:, None]
            terms = np.maximum(1.0, np.abs(expected)) + single * sum(np.abs(np.asarray(c)) for c in pairs[:4])[:, None]
        else:
            got, expected = subject.gradients(pairs), meant.gradients(pairs)
            terms = np.maximum(np.abs(expected), 1e-3)
        error = np.where(got == expected, 0.0, np.abs(got - expected) / terms).max(axis=-1)
        error = np.where(np.isnan(error), np.inf, error)
        if what == "gradient":
            error = np.where(_kinks(meant, pairs), 0.0, error)
        seen, worst = seen + len(error), max(worst, float(error.max()))
        if first is None and error.max() > tolerance:
            k = int(np.flatnonzero(error > tolerance)[0])
            first = take(pairs, slice(k, k + 1)), expected[k], got[k]
    if first is not None:
        because = f"{meant.name} has another {what}; the largest relative difference on {seen} pairs is {worst:.3g}"
        show = "loss(pairs)" if what == "value" else slopes_shown(subject)
        return refuted(witness(subject, *first, because, show), residual=worst, instances=seen)
    return holds(seen, worst, tolerance, method=f"{what} against {meant.name}")


def _kinks(meant: Subject, pairs: PairLogProbs) -> np.ndarray:
    """(N,) pairs at which the specification has no derivative: any subgradient will do there."""
    sides = [meant.gradients(pairs._replace(policy_chosen=np.asarray(pairs.policy_chosen) + h)) for h in (1e-7, -1e-7)]
    return np.abs(sides[0] - sides[1]).max(axis=-1) > 1e-3 * (1e-3 + np.abs(sides[0]).max(axis=-1))
