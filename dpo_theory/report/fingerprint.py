"""A fingerprint (`dpo_theory.fingerprint.Fingerprint`) as text, Markdown and HTML: the same lines in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dpo_theory.report.cells import clean, flat
from dpo_theory.report.html import escape
from dpo_theory.report.markdown import escape as escape_markdown
from dpo_theory.report.markdown import grid

__all__ = ["element", "lines", "markdown", "text"]

TITLE = "Fingerprint: what the loss aims at"
NAMES = {"T1": "T1, separable", "T2": "T2, one reward", "T3": "T3, log-ratio only"}


def lines(found: Any) -> Iterator[tuple[str, str]]:
    """(name, what is said) of every line."""
    kinds = {
        "margin": "a function of the margin",
        "reward": "a function of the difference of implicit rewards",
        "none": "no function of one margin or one reward",
    }
    yield "kind", kinds[found.kind] + (f"; {found.variable}" if found.variable else "")
    told = {
        "loss l(m)" if found.kind == "margin" else "loss": found.formula,
        "link q(m)": found.link,
        "margin for p": found.inverse,
        "weight -l'(m)": found.pull,
        "weight w(p)": found.weight,
    }
    yield from ((name, value) for name, value in told.items() if value)
    yield from ((f"aims, p = {aim.probability:g}", _aim(aim)) for aim in found.aims)
    told = {"implicit reward": found.reward, "divergence f'": found.derivative, "divergence f": found.divergence}
    yield from ((name, value) for name, value in told.items() if value)
    yield from ((NAMES.get(s.name, s.name), f"{s.verdict.value}: {s.how}") for s in found.statements)
    yield from (("note", note) for note in found.notes)


def text(found: Any, width: int | None = None) -> str:
    """The lines, names aligned; wrapped to `width` columns."""
    import textwrap

    shown = [(name, flat(value)) for name, value in lines(found)]
    wide = max(len(name) for name, _ in shown)
    told = [TITLE]
    for name, value in shown:
        head = f"  {name.ljust(wide)}  "
        if width is None or width < len(head) + 20:
            told.append(head + value)
        else:
            told.append(textwrap.fill(value, width, initial_indent=head, subsequent_indent=" " * len(head)))
    return clean("\n".join(told)) + "\n"


def markdown(found: Any) -> str:
    """A section with a table."""
    rows = [(escape_markdown(name), escape_markdown(value)) for name, value in lines(found)]
    return f"### {TITLE}\n\n{grid(('what', 'found'), rows)}"


def element(found: Any) -> str:
    """A table."""
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(flat(value))}</td></tr>' for name, value in lines(found))
    return f"<table><caption>{escape(f'{TITLE} ({flat(found.loss)})')}</caption><tbody>{rows}</tbody></table>"


def _aim(aim: Any) -> str:
    enclosed = f" within {aim.radius:.0e}" if aim.radius else ""
    weight = f", w = {aim.weight:.6g}" if aim.weight is not None else ""
    return f"m = {aim.margin:.12g}{enclosed} ({aim.how}){weight}"
