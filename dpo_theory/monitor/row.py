"""A row of a report about a run: what must be true, and what was seen."""

from __future__ import annotations

from collections.abc import Callable

from dpo_theory.checks.check import Finding
from dpo_theory.evidence import Counterexample, Evidence, Verdict

__all__ = ["broken", "row", "said"]


def row(name: str, statement: str, finding: Finding, *, fault: bool = True) -> Evidence:
    """The evidence of one rule.

    Args:
        name: of the rule.
        statement: one sentence.
        finding: what came of it.
        fault: whether a run that breaks the rule is wrong; else it is worth knowing, and explained.
    """
    return Evidence(
        id=name,
        name=statement.rstrip("."),
        kind="identity" if fault else "note",
        statement=statement,
        source="",
        declared=None,
        expected="holds" if fault else None,
        verdict=finding.verdict,
        failed=fault and finding.verdict == Verdict.REFUTED,
        method=finding.method,
        residual=finding.residual,
        tolerance=finding.tolerance,
        instances=finding.instances,
        counterexample=finding.counterexample,
        reason=finding.reason,
    )


def broken(where: str, expected: str, got: str, because: str, *, residual: float | None = None, instances: int = 0) -> Finding:
    """A rule is broken: where, what it asks, what was seen, and the likely causes."""
    return Finding(Verdict.REFUTED, residual=residual, instances=instances, counterexample=Counterexample(where, expected, got, because))


def said(run: Callable[..., object]) -> str:
    """The first paragraph of a rule's docstring."""
    return (run.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
