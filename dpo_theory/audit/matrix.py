"""The kill matrix: checks across, losses down."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dpo_theory.evidence import Report

__all__ = ["Audit"]

LONGEST = 60


@dataclass(frozen=True)
class Audit:
    """What came of the trial.

    Args:
        report: one row per loss: wrong ones, faults made by machine, right ones.
        kills: row id -> the checks that refuted it, the one that was asked first in front.
        checks: every check that there is.
        full: every check was asked about every wrong loss; else each wrong loss met only those up to the first that refuted it.
    """

    report: Report
    kills: Mapping[str, tuple[str, ...]]
    checks: tuple[str, ...]
    full: bool = False

    @property
    def passed(self) -> bool:
        """Every wrong loss is refuted, no right one is."""
        return self.report.passed

    @property
    def exit_code(self) -> int:
        """As a report's."""
        return self.report.exit_code

    @property
    def killers(self) -> dict[str, int]:
        """check -> how many wrong losses it refuted."""
        wrong = [row.id for row in self.report.rows if row.kind != "right"]
        seen = Counter(check for id in wrong for check in self.kills[id])
        return {check: seen[check] for check in self.checks}

    @property
    def idle(self) -> tuple[str, ...]:
        """Checks that refuted no wrong loss."""
        return tuple(check for check, number in self.killers.items() if not number)

    def to_text(self, width: int | None = None) -> str:
        """The matrix, a count per check, and every row that is not as expected."""
        from dpo_theory.report import text

        told = [self._headline(), "\n".join(self._lines()), "\n".join(self._key()), self._summary(), text.failures(self.report)]
        return "\n\n".join(filter(None, told)) + "\n"

    def to_markdown(self) -> str:
        """Kills per check as a table, then the report."""
        from dpo_theory.report.markdown import escape, grid

        table = grid(("check", "wrong losses refuted"), [(escape(check), str(number)) for check, number in self.killers.items()])
        return f"{table}\n\n{self.report.to_markdown()}"

    def to_json(self) -> str:
        """The report as JSON; the method of a row names the checks that refuted it."""
        return self.report.to_json()

    def to_junit(self) -> str:
        """The report as JUnit XML."""
        return self.report.to_junit()

    def to_html(self) -> str:
        """The report as HTML."""
        return self.report.to_html()

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def _lines(self) -> list[str]:
        numbers = [f"{k:02d}" for k in range(len(self.checks))]
        names = [textwrap.shorten(row.id, LONGEST, placeholder=" ...") for row in self.report.rows]
        widest = max(map(len, names), default=0)
        lines = [" " * (widest + 2) + "".join(digits) for digits in zip(*numbers, strict=True)]
        for name, row in zip(names, self.report.rows, strict=True):
            fired = self.kills[row.id]
            marks = "".join("X" if check in fired[:1] else "x" if check in fired else "." for check in self.checks)
            lines.append(f"{name.ljust(widest)}  {marks}  {row.kind}{'  ' + row.reason if row.failed else ''}")
        return lines

    def _key(self) -> list[str]:
        return [f"{k:02d}  {check.ljust(34)}{number:4d}" for k, (check, number) in enumerate(self.killers.items())]

    def _headline(self) -> str:
        what = "every check was asked about every loss" if self.full else "each wrong loss up to the first check that refutes it"
        return f"Kill matrix: X the first to refute, x refutes too, . silent or not asked; {what}. Seed {self.report.seed}."

    def _summary(self) -> str:
        report = self.report
        kinds = Counter(row.kind for row in report.rows)
        good = Counter(row.kind for row in report.rows if not row.failed)
        said = [
            f"{good['wrong']} of {kinds['wrong']} wrong losses refuted by the check named for them",
            f"{good['mutant']} of {kinds['mutant']} faults made by machine refuted",
            f"{good['right']} of {kinds['right']} right losses without an alarm",
        ]
        tried = f"{len(self.checks)} checks, {len(report.rows)} of {report.asked} losses tried in {report.seconds:.1f} s."
        return f"{', '.join(said)}. {tried}"
