"""The matrix as Markdown: the table, what the columns ask, and the notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpo_theory.report.cells import clean

if TYPE_CHECKING:
    from dpo_theory.matrix.record import Matrix

__all__ = ["cell", "render"]


def render(matrix: Matrix) -> str:
    """One row a loss; **bold** cells are proved, a number leads to a note."""
    notes = dict.fromkeys(c.note for line in matrix for c in line.cells if c.note)
    number = {text: place for place, text in enumerate(notes, start=1)}
    lines = ["| loss | " + " | ".join(column.name for column in matrix.columns) + " |", "|---" * (len(matrix.columns) + 1) + "|"]
    for line in matrix:
        shown = [cell(c.shown, c.proved, number.get(c.note)) for c in line.cells]
        lines.append(f"| {clean(line.label)} | " + " | ".join(shown) + " |")
    lines += ["", "**bold**: proved. ?: nothing decides it. -: the question does not apply.", ""]
    lines += [f"- **{column.name}**: {column.question}" for column in matrix.columns]
    if notes:
        lines += ["", *(f"{place}. {text}" for text, place in number.items())]
    return "\n".join(lines) + "\n"


def cell(shown: str, proved: bool, note: int | None) -> str:
    """One cell of the table."""
    text = clean(shown).replace("|", "\\|")
    return (f"**{text}**" if proved else text) + ("" if note is None else f" ({note})")
