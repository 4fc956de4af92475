"""One notion of a row: the words and numbers that every rendering of a report shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpo_theory.evidence import Counterexample, Evidence, Report

__all__ = [
    "COLUMNS",
    "absent",
    "cells",
    "clean",
    "environment",
    "evidence",
    "findings",
    "flat",
    "headline",
    "outcome",
    "summary",
    "verdict",
    "why",
]

COLUMNS = ("id", "statement", "verdict", "evidence", "residual", "tolerance", "time")
UNEXPECTED = "NOT AS EXPECTED"
PARTS = ("proof", "certificate", "search", "edge")

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    r"""Text that every format can carry: control characters, lone surrogates and non-characters become U+FFFD.

    >>> clean("red \x1b[31m")
    'red �[31m'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def flat(text: str) -> str:
    """Clean text on one line."""
    return " ".join(clean(text).split())


def cells(row: Evidence) -> tuple[str, ...]:
    """The row as one line of text per column of `COLUMNS`. A part of a claim is named by its kind."""
    part = row.kind in PARTS
    return (
        row.kind if part else flat(row.id),
        "" if part else flat(row.name),
        verdict(row),
        evidence(row),
        _number(row.residual),
        _number(row.tolerance),
        f"{row.seconds:.2f} s",
    )


def verdict(row: Evidence) -> str:
    """The verdict, and whether it was expected where that is not plain."""
    if row.failed:
        return f"{row.verdict.value}, {UNEXPECTED}"
    if row.kind == "property" and (row.verdict.holds or row.verdict.value == "REFUTED"):
        return f"{row.verdict.value}, as declared" if row.declared else f"{row.verdict.value}{': lacks' if absent(row) else ''}"
    return f"{row.verdict.value}, as expected" if row.expected == row.verdict.value.lower() == "refuted" else row.verdict.value


def absent(row: Evidence) -> bool:
    """A property that the subject lacks, and of which it declares nothing."""
    return row.kind == "property" and row.verdict.value == "REFUTED" and not row.declared and not row.failed


def why(row: Evidence) -> str:
    """The reason on one line, after what it is: why, or a remedy."""
    return flat(row.reason if row.reason.startswith("remedy: ") else f"why: {row.reason}") if row.reason else ""


def evidence(row: Evidence) -> str:
    """Method, sizes, instances."""
    said = [row.method, f"for {row.sizes}" if row.sizes else ""]
    if row.instances and "instance" not in row.method:
        said.append(f"{row.instances} instance" + ("s" if row.instances > 1 else ""))
    return flat("; ".join(filter(None, said)))


def findings(row: Evidence) -> Iterator[tuple[str, str, Counterexample | None]]:
    """What speaks against a row: (where, reason, counterexample), every part that fails, each counterexample once."""
    shown = []
    for part in row.parts:
        if part.failed or part.verdict.value in ("REFUTED", "UNDECIDED"):
            shown.append(part.counterexample)
            where = part.kind if not part.method else f"{part.kind}, {flat(part.method)}"
            yield f"{where}: {part.verdict.value}", part.reason, part.counterexample
    if not shown or (row.counterexample is not None and row.counterexample not in shown):
        reason = row.reason or ("" if row.counterexample else _no_finding(row))
        yield row.verdict.value, reason, row.counterexample


def headline(report: Report) -> str:
    """What was verified, by which version, from which seed."""
    version = report.environment.get("dpo-theory")
    said = [f"dpo-theory {version}" if version else "", "" if report.seed is None else f"seed {report.seed}"]
    brackets = ", ".join(filter(None, said))
    return flat(f"{report.subject} ({brackets})" if brackets else report.subject)


def outcome(report: Report) -> str:
    """The verdict on the whole report, in a few words."""
    if report.failed:
        return f"{len(report.failed)} of {report.asked} {UNEXPECTED}"
    if not report.ran:
        return "Nothing ran"
    missing = report.asked - len(report.rows)
    return f"Incomplete: {missing} of {report.asked} not reached" if missing else "As expected"


def environment(report: Report) -> str:
    """The versions, on one line."""
    return flat(", ".join(f"{name} {value}" for name, value in report.environment.items()))


def summary(report: Report) -> str:
    """How many ran, how many of each verdict, and what is not as expected."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items())
    said = [f"{report.ran} of {report.asked} ran in {report.seconds:.1f} s" + (f": {counts}." if counts else ".")]
    missing = report.asked - len(report.rows)
    if missing:
        said.append(f"INCOMPLETE: {missing} not reached.")
    if report.failed:
        said.append(f"{len(report.failed)} {UNEXPECTED}: {', '.join(flat(row.id) for row in report.failed)}.")
    elif report.ran:
        undecided = report.counts.get("UNDECIDED", 0)
        said.append("Those that ran are as expected." if missing else "The others are as expected." if undecided else "All as expected.")
    return " ".join(said)


def _no_finding(row: Evidence) -> str:
    if row.expected == "refuted":
        return "a refutation was expected and none was found"
    return "no counterexample was recorded"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return "0" if value == 0 else f"{value:.1e}"
