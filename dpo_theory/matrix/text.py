"""The matrix as text: one line a loss, and for a few losses the evidence of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpo_theory.matrix.record import Matrix

__all__ = ["render"]

FEW = 3


def render(matrix: Matrix, width: int | None = None) -> str:
    """The table; where it is wider than `width`, or of few losses, one block a loss."""
    wide = [max(len(column.name), *(len(line.cells[k].shown) for line in matrix), 1) for k, column in enumerate(matrix.columns)]
    first = max([len("loss"), *(len(line.label) for line in matrix)])
    whole = first + sum(w + 2 for w in wide)
    lines: list[str] = []
    if width is None or whole <= width:
        lines.append("loss".ljust(first) + "".join("  " + column.name.ljust(w) for column, w in zip(matrix.columns, wide, strict=True)))
        lines += [
            line.label.ljust(first) + "".join("  " + cell.shown.ljust(w) for cell, w in zip(line.cells, wide, strict=True))
            for line in matrix
        ]
    if not lines or len(matrix) <= FEW:
        for line in matrix:
            lines += ["", line.loss]
            for cell in line.cells:
                told = "; ".join(part for part in (cell.method, cell.reason, cell.note) if part)
                lines.append(f"  {cell.column.ljust(6)} {cell.shown.ljust(8)} {cell.verdict.value.ljust(10)} {told}".rstrip())
    counts = ", ".join(f"{count} {verdict}" for verdict, count in matrix.counts.items())
    lines += ["", f"{len(matrix)} losses, {len(matrix.columns)} properties in {matrix.seconds:.1f} s: {counts}."]
    return "\n".join(line.rstrip() for line in lines).lstrip("\n") + "\n"
