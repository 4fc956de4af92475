"""One loss on trial: which checks refute it, and whether it is a multiple of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from dpo_theory.audit.record import Loss
from dpo_theory.checks import registry, specification
from dpo_theory.checks.check import Check
from dpo_theory.checks.runner import run_check
from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.evidence import Evidence
from dpo_theory.rigor.limit import TimeLimit, time_limit

__all__ = ["NAMES", "alarms", "multiple_of"]

NAMES = (*registry.names(), "same-value", "same-gradient")
SECONDS = 10.0


def alarms(loss: Loss, spec: Loss, *, first: str | None = None, seed: int = 0) -> Iterator[tuple[str, Evidence]]:
    """The checks that refute `loss`, one after the other: those of the specification last, and only they are told it.

    Args:
        loss: under test; `spec` declares what it has and lacks.
        spec: what it is meant to be.
        first: the check that is asked first.
        seed: of all randomness.

    Yields:
        (name, evidence) of every check that is not as expected.
    """
    has, lacks = frozenset(getattr(spec, "has", ())), frozenset(getattr(spec, "lacks", ()))
    failure, subject = "", None
    try:
        with time_limit(SECONDS):
            subject = make_subject(loss, has=has, lacks=lacks)
    except (LossFailed, TimeLimit) as error:
        failure = str(error)
    if subject is None:
        row = run_check(registry.load("returns-losses"), None, has, lacks, seed, SECONDS, failure)
        yield row.id, row
        return
    for check in _ordered(spec, first):
        told = (frozenset(), frozenset()) if check.name.startswith("same-") else (has, lacks)
        row = run_check(check, subject, *told, seed, SECONDS)
        if row.failed:
            yield row.id, row


def _ordered(spec: Loss, first: str | None) -> Iterator[Check]:
    told = {check.name: check for check in specification.checks(spec)}
    for name in sorted(NAMES, key=lambda name: name != first):
        yield told[name] if name in told else registry.load(name)


def multiple_of(loss: Loss, twin: Loss) -> tuple[Any, Any] | None:
    """(factor, offset) with loss = factor * twin + offset for every margin, factor > 0; None where that is not proved.

    >>> from dpo_theory.losses.ipo import IPO
    >>> multiple_of(lambda pairs: (pairs.margin - 5) ** 2 / 2 + 3, IPO(tau=0.1))
    (1/2, 3)
    """
    one_read, two_read = (make_subject(one).margin_expression for one in (loss, twin))
    if one_read is None or two_read is None:
        return None
    (left, m), (right, _) = one_read, two_read
    left, right = (expression.replace(sp.Max, _as_absolute) for expression in (left, right))
    one, two = sp.Rational(-1, 3), sp.Rational(-7, 3)
    rise = [(e.subs(m, two) - e.subs(m, one)).evalf(30) for e in (left, right)]
    factor = sp.nsimplify(rise[0] / rise[1], rational=True, tolerance=1e-20)
    offset = sp.nsimplify((left - factor * right).subs(m, one).evalf(30), rational=True, tolerance=1e-20)
    difference = sp.simplify(sp.expand(left - factor * right - offset))
    return (factor, offset) if factor > 0 and difference == 0 else None


def _as_absolute(*arguments: Any) -> Any:
    """max(x, y) by |x - y|, constants taken out: then multiples cancel."""
    x, y = arguments
    return (x + y + sp.Abs(sp.factor(x - y))) / 2
