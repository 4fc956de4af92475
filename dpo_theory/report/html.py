"""A report as HTML: one self-contained page without scripts, or a fragment for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as _escape
from typing import TYPE_CHECKING

from dpo_theory.report.cells import COLUMNS, cells, clean, environment, headline, summary, why
from dpo_theory.report.text import counterexample

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence, Report

__all__ = ["document", "escape", "fragment", "page", "table"]

# Colours of text and ground are the reader's; ours are only edges, which show on light and on dark.
STYLE = """
.dpo-theory { font: 14px/1.5 system-ui, sans-serif; overflow-x: auto; }
.dpo-theory table { border-collapse: collapse; }
.dpo-theory caption { text-align: left; font-weight: 600; padding: 0.5em 0; }
.dpo-theory th, .dpo-theory td { text-align: left; vertical-align: top; padding: 0.3em 0.8em; border-bottom: 1px solid #8886; }
.dpo-theory td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.dpo-theory tr.failed > * { border: 2px solid #e5484d; font-weight: 600; }
.dpo-theory pre { white-space: pre-wrap; overflow-wrap: anywhere; font-weight: 400; }
.dpo-theory summary { cursor: pointer; }
.dpo-theory .small { font-size: 85%; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 2em auto; max-width: 90em; padding: 0 1em; background: Canvas; color: CanvasText; }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def page(report: Report) -> str:
    """The report as one page."""
    return document(headline(report), fragment(report))


def fragment(report: Report) -> str:
    """The report as one element, for notebooks."""
    from dpo_theory.report import fingerprint

    body = table(report.rows, headline(report))
    if report.fingerprint is not None:
        body += fingerprint.element(report.fingerprint)
    told = f'{body}<p><strong>{escape(summary(report))}</strong></p><p class="small">{escape(environment(report))}</p>'
    return styled(told)


def styled(body: str) -> str:
    """An element that carries its own style."""
    return f'<div class="dpo-theory"><style>{STYLE}</style>{body}</div>'


def document(title: str, body: str) -> str:
    """A page around an element."""
    return PAGE.format(title=escape(title), body=body)


def table(rows: Iterable[Evidence], caption: str) -> str:
    """The rows as a table; the statement, parts and counterexample of each open on demand."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(_row(row) for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def escape(text: str) -> str:
    """Text as HTML, in ASCII.

    >>> escape("a < b")
    'a &lt; b'
    """
    return _escape(clean(text)).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _row(row: Evidence) -> str:
    id, name, verdict, evidence, *numbers = map(escape, cells(row))
    reason = f"<div>{escape(why(row))}</div>" if row.reason else ""
    kind = ' class="failed"' if row.failed else ""
    measured = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return f'<tr{kind}><th scope="row">{id}</th><td>{name}{_details(row)}</td><td>{verdict}</td><td>{evidence}{reason}</td>{measured}</tr>'


def _details(row: Evidence) -> str:
    told = ""
    if row.statement:
        told += f"<pre>{escape(row.statement)}</pre>"
    if row.source:
        told += f"<p>{escape(row.source)}</p>"
    if row.parts:
        told += f"<ul>{''.join(f'<li>{_part(part)}</li>' for part in row.parts)}</ul>"
    if row.counterexample is not None and all(part.counterexample != row.counterexample for part in row.parts):
        told += f"<pre>{escape(counterexample(row.counterexample))}</pre>"
    if not told:
        return ""
    opened = " open" if row.failed else ""
    return f'<details{opened}><summary class="small">details</summary>{told}</details>'


def _part(part: Evidence) -> str:
    id, _, verdict, evidence, residual, tolerance, seconds = map(escape, cells(part))
    measured = f", residual {residual}, tolerance {tolerance}" if residual else ""
    why = f", {escape(part.reason)}" if part.reason else ""
    found = f"<pre>{escape(counterexample(part.counterexample))}</pre>" if part.counterexample else ""
    return f"{id}: {verdict}, {evidence}{measured}{why}, {seconds}{found}"
