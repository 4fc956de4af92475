"""The matrix as one HTML page: every cell opens to its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpo_theory.report.html import document, escape, styled

if TYPE_CHECKING:
    from dpo_theory.matrix.record import Cell, Matrix

__all__ = ["fragment", "page"]


def page(matrix: Matrix) -> str:
    """A page of its own."""
    title = f"{len(matrix)} preference losses by {len(matrix.columns)} properties"
    return document(title, styled(f"<h1>{escape(title)}</h1>{_table(matrix)}"))


def fragment(matrix: Matrix) -> str:
    """One element, for notebooks."""
    return styled(_table(matrix))


def _table(matrix: Matrix) -> str:
    head = "".join(f'<th scope="col" title="{escape(column.question)}">{escape(column.name)}</th>' for column in matrix.columns)
    body = "".join(
        f'<tr id="{escape(line.label)}"><th scope="row" title="{escape(line.loss)}">{escape(line.label)}</th>'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in line.cells)
        + "</tr>"
        for line in matrix
    )
    questions = "".join(f"<dt>{escape(column.name)}</dt><dd>{escape(column.question)}</dd>" for column in matrix.columns)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in matrix.counts.items())
    return (
        f"<p>{escape(counts)}. Proved cells are bold; each opens to its evidence.</p>"
        f'<table><thead><tr><th scope="col">loss</th>{head}</tr></thead><tbody>{body}</tbody></table><dl>{questions}</dl>'
    )


def _cell(cell: Cell) -> str:
    shown = f"<strong>{escape(cell.shown)}</strong>" if cell.proved else escape(cell.shown)
    told = [cell.statement, f"{cell.verdict.value} {cell.method}".strip(), cell.value, cell.reason, cell.note]
    inside = "".join(f"<p>{escape(text)}</p>" for text in told if text)
    if cell.counterexample is not None:
        inside += f"<pre>{escape(str(cell.counterexample))}</pre>"
    return f"<details><summary>{shown}{' *' if cell.note else ''}</summary>{inside}</details>"
