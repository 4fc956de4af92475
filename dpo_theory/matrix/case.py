"""A loss under question: its checks are run once, when a column asks for them."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from dpo_theory.checks import registry
from dpo_theory.checks.deciding import seen_margin_only
from dpo_theory.checks.runner import fingerprint_of, run_check
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.evidence import Evidence, Verdict
from dpo_theory.fingerprint import measured
from dpo_theory.fingerprint.known import Known
from dpo_theory.matrix.record import Cell
from dpo_theory.matrix.rows import ToReference

__all__ = ["SURROGATE", "Case"]

SECONDS = 60.0  # of one check
SURROGATE = "a part of the value is held fixed in the gradient: where the value is smallest is no optimum"


class Case:
    """A subject and the evidence about it.

    Args:
        subject: the loss.
        seed: of all randomness.
    """

    def __init__(self, subject: Subject, seed: int = 0) -> None:
        self.subject, self.seed = subject, seed
        self._taken: dict[tuple[str, bool], Evidence] = {}

    def evidence(self, check: str, *, relative: bool = False) -> Evidence:
        """What a check says of the loss; `relative`: of the function of the margin that it is."""
        subject = self.relative if relative else self.subject
        key = check, subject is self.subject
        if key not in self._taken:
            none: frozenset[str] = frozenset()
            self._taken[key] = run_check(registry.load(check), subject, none, none, self.seed, SECONDS)
        return self._taken[key]

    def cell(self, column: str, check: str, *, yes: str = "y", no: str = "n", relative: bool = False) -> Cell:
        """The cell that one check fills.

        Args:
            column: its name.
            check: the check's.
            yes, no: what is shown where it holds and where it is refuted.
            relative: ask it of the function of the margin that the loss is.
        """
        row = self.evidence(check, relative=relative)
        shown = yes if row.verdict.holds else {Verdict.REFUTED: no, Verdict.NOT_APPLICABLE: "-"}.get(row.verdict, "?")
        reason = "" if row.verdict is Verdict.REFUTED else row.reason
        if self.subject.batch_coupled:
            reason = "; ".join(filter(None, ("each pair alone in its batch", reason)))
        return Cell(column, shown, row.verdict, f"{check}: {row.name}", row.method or _seen(row), reason, counterexample=row.counterexample)

    @cached_property
    def on_margin(self) -> bool:
        """The loss is a function of the margin, of one difference of log-probabilities if it knows no reference."""
        return seen_margin_only(self.relative)

    @cached_property
    def fingerprint(self) -> Any:
        """The loss's fingerprint: by its expression, else measured; None where it cannot be taken."""
        found = fingerprint_of(self.subject, SECONDS)
        if found is not None or self.subject.batch_coupled:
            return found
        subject = self.subject
        return measured.of(Known(subject.name, None, (), "its expression does not yield to the tests", subject.values, subject.gradients))

    @cached_property
    def relative(self) -> Subject:
        """The loss; where it knows no reference and sees one difference of log-probabilities, the same function of the margin."""
        subject = self.subject
        if self.evidence("uses-reference").verdict.holds or not self.evidence("shift-invariant").verdict.holds:
            return subject
        made = make_subject(ToReference(subject.loss if subject.style == "pairs" else subject.call), name=subject.name)
        return dataclasses.replace(made, parameters=subject.parameters)

    @property
    def surrogate(self) -> bool:
        """The loss declares that its gradient is not the derivative of its value: what makes the value small is no optimum."""
        return "surrogate-gradient" in self.subject.has


def _seen(row: Evidence) -> str:
    """How a row was decided that says no more than on how much."""
    return f"on {row.instances} pairs" if row.instances and row.verdict.holds else ""
