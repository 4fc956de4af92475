"""A report as text: full width for a pipe, fitted to a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpo_theory.report.cells import COLUMNS, absent, cells, clean, findings, flat, headline, summary, verdict, why

if TYPE_CHECKING:
    from dpo_theory.evidence import Counterexample, Evidence, Report

__all__ = ["absences", "counterexample", "failures", "render", "table"]

GAP = "  "
MARK = "FAIL"
KINDS = {"contract": "The contract: what every loss owes", "property": "Properties: what tells losses apart"}
STRETCH = (COLUMNS.index("statement"), COLUMNS.index("evidence"))
RIGHT = tuple(COLUMNS.index(name) for name in ("residual", "tolerance", "time"))
NARROWEST = 24


def render(report: Report, width: int | None = None) -> str:
    """The table, the counts, every failure with its counterexample in full, and what is absent with its witness.

    Args:
        report: what to show.
        width: columns of the terminal; None writes each row on one line, however long.
    """
    told = [_fit(headline(report), width), *_tables(report.rows, width), _fit(summary(report), width), failures(report)]
    return "\n\n".join(filter(None, [*told, absences(report, width), _fingerprint(report, width)])) + "\n"


def table(rows: Sequence[Evidence], width: int | None = None, beside: Sequence[Evidence] = ()) -> str:
    """The rows as a table, aligned with the table of those `beside`; as blocks where the terminal is too narrow for columns."""
    if not rows:
        return ""
    lines = [cells(row) for row in rows]
    wide = [max(len(line[c]) for line in (*lines, *map(cells, beside))) for c in range(len(COLUMNS))]
    kept = [c for c, size in enumerate(wide) if size]
    wide = [max(size, len(COLUMNS[c])) for c, size in enumerate(wide)]
    spare = _spare(wide, kept, width)
    if spare < 0:
        stretched = [c for c in STRETCH if c in kept]
        room = sum(wide[c] for c in stretched) + spare
        if room < NARROWEST * len(stretched) or not stretched:
            return "\n".join(_block(row, width or 80) for row in rows)
        for place, c in enumerate(stretched):
            wide[c] = min(wide[c], max(room // (len(stretched) - place), room - wide[stretched[-1]]))
            room -= wide[c]
    told = [_line("", COLUMNS, wide, kept)]
    for row, line in zip(rows, lines, strict=True):
        told.append(_line(MARK if row.failed else "", line, wide, kept))
        if row.reason:
            indent = " " * len(MARK) + GAP + " " * wide[0] + GAP
            told.append(_fit(why(row), width, indent))
    return "\n".join(told)


def failures(report: Report) -> str:
    """Every row that is not as expected: its statement, its source and what was found against it; empty if there is none."""
    told = []
    for row in report.failed:
        lines = [
            f"{MARK}  {flat(row.id)}  {flat(row.name)}",
            f"{_declared(row)}expected: {row.expected or 'holds'}, got: {row.verdict.value}",
        ]
        if row.statement:
            lines += ["statement:", textwrap.indent(clean(row.statement).strip("\n"), "    ")]
        if row.source:
            lines.append(f"source: {flat(row.source)}")
        for where, reason, found in findings(row):
            remedy = reason.startswith("remedy: ")
            lines.append(where + (f": {flat(reason)}" if reason and not remedy else ""))
            if found is not None:
                lines.append(textwrap.indent(counterexample(found), "    "))
            if remedy:
                lines.append(flat(reason))
        told.append("\n".join([lines[0], *(textwrap.indent(line, "    ") for line in lines[1:])]))
    return "\n\n".join(told)


def absences(report: Report, width: int | None = None) -> str:
    """Every property that is absent and not declared, with the witness in short; empty if there is none."""
    told = []
    for row in filter(absent, report.rows):
        told.append(_fit(f"lacks {flat(row.id)}: {flat(row.name)}", width))
        found = row.counterexample
        if found is not None:
            said = f"expected {found.expected}, got {found.got}" + (f": {found.because}" if found.because else "")
            told += [_fit(flat(said), width, "    "), _fit("on " + flat(found.problem), width, "    ")]
    return "\n".join(told)


def counterexample(found: Counterexample) -> str:
    """A counterexample in full; the code can be pasted."""
    return clean(str(found))


def _fingerprint(report: Report, width: int | None) -> str:
    from dpo_theory.report import fingerprint

    return "" if report.fingerprint is None else fingerprint.text(report.fingerprint, width).rstrip("\n")


def _tables(rows: Sequence[Evidence], width: int | None) -> list[str]:
    """One table; for checks of a loss two, the contract first."""
    if not rows or not {row.kind for row in rows} <= set(KINDS):
        return [table(rows, width)]
    groups = {title: [row for row in rows if row.kind == kind] for kind, title in KINDS.items()}
    return [f"{_fit(title, width)}\n{table(group, width, rows)}" for title, group in groups.items() if group]


def _declared(row: Evidence) -> str:
    return f"declared: {row.declared}, " if row.declared else ""


def _spare(wide: Sequence[int], kept: Sequence[int], width: int | None) -> int:
    if width is None:
        return 0
    return width - len(MARK) - sum(len(GAP) + wide[c] for c in kept)


def _line(mark: str, texts: Sequence[str], wide: Sequence[int], kept: Sequence[int]) -> str:
    columns = [textwrap.wrap(texts[c], wide[c]) or [""] for c in kept]
    told = []
    for depth in range(max(map(len, columns))):
        line = [(mark if depth == 0 else "").ljust(len(MARK))]
        for c, column in zip(kept, columns, strict=True):
            text = column[depth] if depth < len(column) else ""
            line.append(text.rjust(wide[c]) if c in RIGHT else text.ljust(wide[c]))
        told.append(GAP.join(line).rstrip())
    return "\n".join(told)


def _block(row: Evidence, width: int) -> str:
    id, statement, _, evidence, residual, tolerance, seconds = cells(row)
    first = " ".join(filter(None, (MARK if row.failed else "", id, verdict(row))))
    measured = [f"residual {residual}" if residual else "", f"tolerance {tolerance}" if tolerance else "", seconds]
    rest = [statement, evidence, ", ".join(filter(None, measured)), why(row)]
    return "\n".join([_fit(first, width), *(_fit(text, width, "  ") for text in rest if text)])


def _fit(text: str, width: int | None, indent: str = "") -> str:
    if width is None:
        return indent + text
    return textwrap.fill(text, max(width, len(indent) + 10), initial_indent=indent, subsequent_indent=indent)
