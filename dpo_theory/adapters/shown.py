"""The table of an installed library in every format."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dpo_theory.report import html
from dpo_theory.report import markdown as md
from dpo_theory.report.cells import flat

if TYPE_CHECKING:
    from dpo_theory.adapters.table import Row, Table

__all__ = ["Found", "document", "found", "fragment", "markdown", "page", "text"]

SCHEMA = "dpo-theory/installed"
PROPERTIES = ("shift-invariant", "margin-only", "monotone", "convex", "bt-proper", "length-invariant")
COLUMNS = ("loss", "contract", *PROPERTIES, "sees lengths", "sees the batch", "not finite from margin")
WORDS = {
    "PROVED": "proved",
    "CERTIFIED": "proved",
    "HOLDS": "yes",
    "REFUTED": "no",
    "UNDECIDED": "?",
    "NOT_APPLICABLE": "n/a",
    "SKIPPED": "skipped",
}
LEGEND = (
    "proved: symbolically, from the installed code; yes: on every pair that was measured; no: there is a counterexample; ?: undecided. "
    "sees the batch: the loss of a pair changes with the other pairs. Margins are in nats; up to 1e4 where nothing is written."
)


class Found(NamedTuple):
    """A finding: the loss, a sentence, and Python that shows it with the library alone."""

    loss: str
    said: str
    code: str


def found(table: Table) -> list[Found]:
    """What is not as the contract asks, and the options that fail, in the order of the losses."""
    told = []
    for row in table.rows:
        for failed in row.report.failed if row.report is not None else ():
            example = failed.counterexample
            said = f"{example.because} (expected {example.expected}, got {example.got})" if example is not None else failed.reason
            told.append(Found(row.loss, f"{failed.id}: {flat(said)}", example.reproduce if example is not None else ""))
        told += [Found(one.loss, f"options: {flat(str(one).partition(': ')[2])}", one.code) for one in row.combinations]
    return told


def line(row: Row) -> tuple[str, ...]:
    """The cells of one loss."""
    if row.report is None:
        return (row.loss, "SKIPPED", *[""] * (len(COLUMNS) - 2))
    contract = ", ".join(failed.id for failed in row.report.failed) or "holds"
    verdicts = row.report.verdicts
    known = [WORDS[verdicts[name].value] if name in verdicts else "" for name in PROPERTIES]
    own = [f"{dtype} {said}" for loss, dtype, said in row.reach if loss == row.loss]
    return (row.loss, contract, *known, "yes" if row.sees_lengths else "no", "no" if row.per_pair else "yes", "; ".join(own))


def text(table: Table, width: int | None = None) -> str:
    """One line per loss, or a block each where the terminal is too narrow; then the findings."""
    lines = [line(row) for row in table.rows]
    wide = [max(len(cells[c]) for cells in (COLUMNS, *lines)) for c in range(len(COLUMNS))]
    told = [_title(table)]
    if width is None or sum(wide) + 2 * len(wide) <= width:
        told.append(
            "\n".join("  ".join(cell.ljust(w) for cell, w in zip(cells, wide, strict=True)).rstrip() for cells in (COLUMNS, *lines))
        )
    else:
        told.append("\n".join(_block(cells, width) for cells in lines))
    told.append(_fill(LEGEND, width))
    told.append("\n".join(_fill(said, width) for said in (*_notes(table), *(f"{f.loss}: {f.said}" for f in found(table)))))
    told.append(_fill(f"{_summary(table)} Code for every finding: --format markdown, or dpo-theory check LOSS.", width))
    return "\n\n".join(filter(None, told)) + "\n"


def markdown(table: Table, *, code: bool = True, seconds: bool = True) -> str:
    """As Markdown.

    Args:
        table: what to show.
        code: the code of every finding too.
        seconds: how long it took too.
    """
    escaped = [[md.escape(cell) for cell in line(row)] for row in table.rows]
    told = [f"## {md.escape(_title(table))}", md.grid(COLUMNS, escaped), md.escape(LEGEND)]
    told.append("\n".join(f"- {md.escape(said)}" for said in _notes(table)))
    told.append("### Findings")
    for number, one in enumerate(found(table), start=1):
        told.append(f"{number}. `{one.loss}`: {md.escape(one.said)}")
        if code and one.code:
            told.append(md.fence(one.code, "python"))
    told.append(md.escape(_summary(table)) if seconds else "")
    return "\n\n".join(filter(None, told)) + "\n"


def page(table: Table) -> str:
    """As one HTML page."""
    return html.document(_title(table), fragment(table))


def fragment(table: Table) -> str:
    """As one element, for notebooks."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line(row))}</tr>" for row in table.rows)
    told = [f"<table><caption>{html.escape(_title(table))}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"]
    told.append(f'<p class="small">{html.escape(LEGEND)}</p>')
    told += [f"<p>{html.escape(said)}</p>" for said in _notes(table)]
    for one in found(table):
        code = f"<details><summary>code</summary><pre>{html.escape(one.code)}</pre></details>" if one.code else ""
        told.append(f"<p><strong>{html.escape(one.loss)}</strong>: {html.escape(one.said)}</p>{code}")
    return html.styled("".join([*told, f"<p>{html.escape(_summary(table))}</p>"]))


def document(table: Table) -> dict[str, Any]:
    """As JSON values."""
    rows = [
        {
            "loss": row.loss, "skipped": row.skipped, "needs": row.needs, "per_pair": row.per_pair, "sees_lengths": row.sees_lengths,
            "seconds": row.seconds, "report": row.report.to_dict() if row.report is not None else None,
            "combinations": [{"loss": c.loss, "dtypes": list(c.dtypes), "what": c.what, "reproduce": c.code} for c in row.combinations],
            "reach": [{"loss": loss, "dtype": dtype, "what": said} for loss, dtype, said in row.reach],
        }
        for row in table.rows
    ]  # fmt: skip
    head = {"schema": SCHEMA, "schema_version": 1, "library": table.library, "version": table.version}
    return {**head, "seconds": table.seconds, "environment": dict(table.environment), "losses": rows}


def _title(table: Table) -> str:
    return f"{table.library} {table.version}: {len(table.rows)} losses"


def _notes(table: Table) -> list[str]:
    told = [f"{row.loss}: skipped: {flat(row.skipped)}" for row in table.rows if row.skipped]
    told += [f"{row.loss}: {flat(row.needs)}" for row in table.rows if row.needs]
    for row in table.rows:
        for other in dict.fromkeys(loss for loss, *_ in row.reach if loss != row.loss):
            said = [f"{dtype} {where}" for loss, dtype, where in row.reach if loss == other]
            told.append(f"{other}: not finite from margin {'; '.join(said)}")
    return told


def _summary(table: Table) -> str:
    ran = sum(row.report is not None for row in table.rows)
    return f"{ran} of {len(table.rows)} losses ran in {table.seconds:.0f} s; {len(found(table))} findings."


def _block(cells: Sequence[str], width: int) -> str:
    rest = "; ".join(f"{name}: {cell}" for name, cell in zip(COLUMNS[1:], cells[1:], strict=True) if cell)
    return "\n".join([cells[0], textwrap.fill(rest, max(width, 20), initial_indent="  ", subsequent_indent="  ")])


def _fill(said: str, width: int | None) -> str:
    return said if width is None else textwrap.fill(said, max(width, 20), subsequent_indent="  ")
