"""A report as HTML: one self-contained page without scripts, or a fragment for notebooks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from html import escape as _escape
from typing import TYPE_CHECKING, Any

from dpo_theory.report.cells import COLUMNS, cells, clean, environment, findings, headline, outcome, summary, why
from dpo_theory.report.look import PAGE, STYLE

if TYPE_CHECKING:
    from dpo_theory.evidence import Counterexample, Evidence, Report

__all__ = ["document", "escape", "figure", "fragment", "page", "styled", "table"]


def page(report: Report) -> str:
    """The report as one page: the verdict in its title, failing rows first and open, derivations folded."""
    title = f"{outcome(report)}: {headline(report)}"
    kind = "good" if report.passed else "bad"
    return document(title, styled(f'<h1><span class="{kind}">{escape(outcome(report))}</span></h1>{_told(report, derivations=True)}'))


def fragment(report: Report) -> str:
    """The report as one element, for notebooks."""
    return styled(_told(report, derivations=False))


def _told(report: Report, *, derivations: bool) -> str:
    from dpo_theory.report import fingerprint

    body = table(report.rows, headline(report), replay=report.replay, derivation=report.derivation if derivations else None)
    if report.fingerprint is not None:
        body += fingerprint.element(report.fingerprint)
    return f'<p><strong>{escape(summary(report))}</strong></p>{body}<p class="small">{escape(environment(report))}</p>'


def styled(body: str) -> str:
    """An element that carries its own style."""
    return f'<div class="dpo-theory"><style>{STYLE}</style>{body}</div>'


def document(title: str, body: str) -> str:
    """A page around an element."""
    return PAGE.format(title=escape(title), body=body)


def figure(svg: str) -> str:
    """An SVG picture inside the page: no file beside it, on paper white in either theme, as wide as the page at most."""
    drawn = svg[svg.index("<svg") :].encode("ascii", "xmlcharrefreplace").decode("ascii")
    return f"<figure>{drawn}</figure>"


def table(rows: Iterable[Evidence], caption: str, *, replay: str = "", derivation: Callable[[str], Any] | None = None) -> str:
    """The rows as a table, failing ones first and open; the statement, parts and counterexample of the others open on demand.

    Args:
        rows: the evidence.
        caption: what they are about.
        replay: the command that runs one row again; `{id}` stands for its id.
        derivation: id -> what has `to_html`, or None: shown folded.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    ordered = sorted(rows, key=lambda row: not row.failed)
    body = "".join(_row(row, anchor, replay, derivation) for row, anchor in zip(ordered, _anchors(ordered), strict=True))
    said = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table class="rows">{said}</table>'


def escape(text: str) -> str:
    """Text as HTML, in ASCII.

    >>> escape("a < b")
    'a &lt; b'
    """
    return _escape(clean(text)).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _anchors(rows: Iterable[Evidence]) -> Iterable[str]:
    """One name per row, from its id, each once: a link to `page.html#D04` opens the page there."""
    seen: Counter[str] = Counter()
    for row in rows:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.id).strip("-") or "row"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}~{seen[name]}"


def _row(row: Evidence, anchor: str, replay: str, derivation: Callable[[str], Any] | None) -> str:
    id, name, verdict, evidence, *numbers = map(escape, cells(row))
    reason = f"<div>{escape(why(row))}</div>" if row.reason else ""
    kind = ' class="failed"' if row.failed else ""
    verdict = f'<span class="bad">{verdict}</span>' if row.failed else verdict
    shown = zip(COLUMNS[4:], numbers, strict=True)
    measured = "".join(f'<td class="number" data-name="{column}">{number}</td>' for column, number in shown)
    details = _details(row, replay.replace("{id}", row.id), derivation)
    linked = f'<th scope="row"><a href="#{anchor}">{id}</a></th>'
    return f'<tr id="{anchor}"{kind}>{linked}<td>{name}{details}</td><td>{verdict}</td><td>{evidence}{reason}</td>{measured}</tr>'


def _details(row: Evidence, command: str, derivation: Callable[[str], Any] | None) -> str:
    told = _against(row, command) if row.failed else ""
    if row.statement:
        told += f"<pre>{escape(row.statement)}</pre>"
    if row.source:
        told += f"<p>{escape(row.source)}</p>"
    if row.parts:
        told += f"<ul>{''.join(f'<li>{_part(part)}</li>' for part in row.parts)}</ul>"
    alone = row.counterexample is not None and all(part.counterexample != row.counterexample for part in row.parts)
    if row.counterexample is not None and alone and not row.failed:
        told += _counterexample(row.counterexample)
    if command and not row.failed:
        told += f"<p>again: <code>{escape(command)}</code></p>"
    steps = derivation(row.id).to_html() if derivation is not None else ""
    if steps:
        told += f'<details><summary class="small">derivation</summary>{steps}</details>'
    if not told:
        return ""
    opened = " open" if row.failed else ""
    return f'<details{opened}><summary class="small">details</summary>{told}</details>'


def _against(row: Evidence, command: str) -> str:
    """What speaks against a row: the smallest case, the largest error, and how to run it again."""
    facts = [(where, escape(reason)) for where, reason, _ in findings(row) if reason]
    facts += [("smallest case", _counterexample(found)) for _, _, found in findings(row) if found is not None]
    worst = max((part for part in (row, *row.parts) if part.residual is not None), key=_excess, default=None)
    if worst is not None:
        *_, residual, tolerance, _ = map(escape, cells(worst))
        facts.append(("largest error", f"{residual}, where {tolerance} is tolerated" if tolerance else residual))
    if command:
        facts.append(("run it again", f"<pre>{escape(command)}</pre>"))
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{said}</dd>" for name, said in facts) + "</dl>"


def _excess(row: Evidence) -> float:
    assert row.residual is not None
    error = row.residual / row.tolerance if row.tolerance else row.residual
    return float("inf") if error != error else error


def _counterexample(found: Counterexample) -> str:
    return f"<pre>{escape(str(found))}</pre>"


def _part(part: Evidence) -> str:
    id, _, verdict, evidence, residual, tolerance, seconds = map(escape, cells(part))
    measured = f", residual {residual}, tolerance {tolerance}" if residual else ""
    why = f", {escape(part.reason)}" if part.reason else ""
    found = _counterexample(part.counterexample) if part.counterexample and not part.failed else ""
    return f"{id}: {verdict}, {evidence}{measured}{why}, {seconds}{found}"
