"""A report as text: full width for a pipe, fitted to a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpo_theory.report.cells import COLUMNS, cells, clean, findings, flat, headline, summary, verdict

if TYPE_CHECKING:
    from dpo_theory.evidence import Counterexample, Evidence, Report

__all__ = ["counterexample", "failures", "render", "table"]

GAP = "  "
MARK = "FAIL"
STRETCH = (COLUMNS.index("statement"), COLUMNS.index("evidence"))
RIGHT = tuple(COLUMNS.index(name) for name in ("residual", "tolerance", "time"))
NARROWEST = 24


def render(report: Report, width: int | None = None) -> str:
    """The table, the counts, and every failure with its counterexample in full.

    Args:
        report: what to show.
        width: columns of the terminal; None writes each row on one line, however long.
    """
    told = [_fit(headline(report), width), table(report.rows, width), _fit(summary(report), width), failures(report)]
    return "\n\n".join(filter(None, told)) + "\n"


def table(rows: Sequence[Evidence], width: int | None = None) -> str:
    """The rows as a table; as one block per row where the terminal is too narrow for columns."""
    if not rows:
        return ""
    lines = [cells(row) for row in rows]
    wide = [max(len(line[c]) for line in lines) for c in range(len(COLUMNS))]
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
            told.append(_fit("why: " + flat(row.reason), width, indent))
    return "\n".join(told)


def failures(report: Report) -> str:
    """Every row that is not as expected: its statement, its source and what was found against it; empty if there is none."""
    told = []
    for row in report.failed:
        lines = [f"{MARK}  {flat(row.id)}  {flat(row.name)}", f"expected: {row.expected or 'holds'}, got: {row.verdict.value}"]
        if row.statement:
            lines += ["statement:", textwrap.indent(clean(row.statement).strip("\n"), "    ")]
        if row.source:
            lines.append(f"source: {flat(row.source)}")
        for where, reason, found in findings(row):
            lines.append(where + (f": {flat(reason)}" if reason else ""))
            if found is not None:
                lines.append(textwrap.indent(counterexample(found), "    "))
        told.append("\n".join([lines[0], *(textwrap.indent(line, "    ") for line in lines[1:])]))
    return "\n\n".join(told)


def counterexample(found: Counterexample) -> str:
    """A counterexample in full; the code can be pasted."""
    return clean(str(found))


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
    why = f"why: {flat(row.reason)}" if row.reason else ""
    rest = [statement, evidence, ", ".join(filter(None, measured)), why]
    return "\n".join([_fit(first, width), *(_fit(text, width, "  ") for text in rest if text)])


def _fit(text: str, width: int | None, indent: str = "") -> str:
    if width is None:
        return indent + text
    return textwrap.fill(text, max(width, len(indent) + 10), initial_indent=indent, subsequent_indent=indent)
