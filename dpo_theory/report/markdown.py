"""A report as Markdown: a table whose cells are escaped, then every failure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dpo_theory.report.cells import COLUMNS, UNEXPECTED, cells, environment, flat, headline, summary, why
from dpo_theory.report.text import absences, failures

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence, Report

__all__ = ["escape", "fence", "grid", "render", "table"]


def render(report: Report) -> str:
    """The table, the counts, the versions, and every failure in full."""
    told = [f"## {escape(headline(report))}", table(report.rows), f"**{escape(summary(report))}**", escape(environment(report))]
    if report.failed:
        told += [f"### {UNEXPECTED.capitalize()}", fence(failures(report))]
    if lacking := absences(report):
        told += ["### Lacks", fence(lacking)]
    if report.fingerprint is not None:
        from dpo_theory.report import fingerprint

        told.append(fingerprint.markdown(report.fingerprint))
    return "\n\n".join(filter(None, told)) + "\n"


def table(rows: Iterable[Evidence]) -> str:
    """The rows as a table."""
    told = []
    for row in rows:
        id, name, verdict, evidence, *numbers = map(escape, cells(row))
        said = "; ".join(filter(None, (evidence, escape(why(row)))))
        told.append((id, name, f"**{verdict}**" if row.failed else verdict, said, *numbers))
    return grid(COLUMNS, told) if told else ""


def grid(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table of cells that are escaped already."""
    header = tuple(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ("---",) * len(header), *lines))


def escape(text: str) -> str:
    """Text on one line that Markdown shows as it is.

    >>> print(escape("pi_ref(y|x)"))
    pi\\_ref(y\\|x)
    """
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", flat(text))


def fence(text: str, language: str = "text") -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"
