"""One claim, shown: its statement, its derivation as mathematics, and its evidence."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dpo_theory.evidence import SCHEMA_VERSION
from dpo_theory.report import html, json, markdown, text
from dpo_theory.report.cells import clean, flat, headline, summary
from dpo_theory.report.derivation import Derivation, Line
from dpo_theory.report.schema import CLAIM

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["Line", "Shown"]

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", **{c: "\\" + c for c in "&%$#_{}"},
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A claim as it is shown.

    Args:
        id, aliases, name, statement, source, assumes, expects, unproved: as in the claim.
        steps: the derivation.
        stopped: the error at which the derivation stopped; empty where it ran to its end.
        report: the evidence about this claim.
    """

    id: str
    aliases: tuple[str, ...]
    name: str
    statement: str
    source: str
    assumes: tuple[str, ...]
    expects: str
    unproved: str
    steps: tuple[Line, ...]
    stopped: str
    report: Report

    @classmethod
    def of(cls, claim: Any, report: Report) -> Shown:
        """The claim, its derivation run once more for its equations, and the report about it."""
        derived = Derivation.of(claim)
        return cls(
            id=claim.id,
            aliases=tuple(claim.aliases),
            name=claim.name,
            statement=inspect.cleandoc(claim.statement),
            source=str(claim.source),
            assumes=tuple(claim.assumes),
            expects=claim.expects,
            unproved=claim.unproved,
            steps=derived.lines,
            stopped=derived.stopped,
            report=report,
        )

    @property
    def exit_code(self) -> int:
        """As the report's."""
        return self.report.exit_code

    @property
    def title(self) -> str:
        """Id and name."""
        return flat(f"{self.id}: {self.name}")

    @property
    def body(self) -> str:
        """The statement after its first line, which is the name."""
        return clean(self.statement).strip().partition("\n")[2].strip("\n")

    @property
    def facts(self) -> dict[str, str]:
        """What is said about the claim as a whole, beside its statement."""
        said = {
            "source": self.source,
            "also called": ", ".join(self.aliases),
            "assumes": "; ".join(self.assumes),
            "expected": "to be refuted" if self.expects == "refuted" else "to hold",
            "not reached by the derivation": self.unproved,
            "derivation stopped": self.stopped,
        }
        return {name: flat(value) for name, value in said.items() if value}

    def to_text(self, width: int | None = None) -> str:
        """As text. Equations and the statement keep their lines."""
        told = [self.title, textwrap.indent(self.body, "    ")]
        told.append("\n".join(f"{name}: {value}" for name, value in self.facts.items()))
        for number, step in enumerate(self.steps, start=1):
            head = f"{number}. {flat(step.claim)}" + (f"  [{flat(step.sizes)}]" if step.sizes else "")
            rest = [f"    {flat(step.text)}", *(f"    given {flat(given)}" for given in step.hypotheses)]
            told.append("\n".join([head, *rest, *([f"    because {flat(step.why)}"] if step.why else [])]))
        told.append(text.table((*self._parts, *self.report.rows), width))
        told += [f"{name}\n{textwrap.indent(text.counterexample(found), '    ')}" for name, found in self._edges]
        told += [headline(self.report) + "\n" + summary(self.report), text.failures(self.report)]
        return "\n\n".join(filter(None, told)) + "\n"

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, by the schema in `dpo_theory.report.schema`."""
        fields = {name: getattr(self, name) for name in ("id", "name", "statement", "source", "expects", "unproved", "stopped")}
        lists = {"aliases": list(self.aliases), "assumes": list(self.assumes)}
        steps = [{**asdict(step), "hypotheses": list(step.hypotheses)} for step in self.steps]
        head = {"schema": CLAIM, "schema_version": SCHEMA_VERSION}
        return {**head, **fields, **lists, "steps": steps, "report": self.report.to_dict()}

    def to_json(self) -> str:
        """As JSON text."""
        return json.dump(self.to_dict())

    def to_latex(self) -> str:
        """As LaTeX: the statement, and the derivation in an `align*` whose tags say why."""
        told = [rf"\subsection*{{{latex(self.title)}}}", "\\begin{verbatim}\n" + self.body + "\n\\end{verbatim}"]
        told += [rf"\noindent {name.capitalize()}: {latex(value)}." for name, value in self.facts.items()]
        if self.steps:
            told.append("\\begin{align*}\n" + " \\\\\n".join(map(_aligned, self.steps)) + "\n\\end{align*}")
        return "\n\n".join([*told, rf"\noindent {latex(summary(self.report))}"]) + "\n"

    def to_markdown(self) -> str:
        """As Markdown, with equations between double dollars."""
        told = [f"## {markdown.escape(self.title)}", markdown.fence(self.body)]
        told.append("\n".join(f"- {name}: {markdown.escape(value)}" for name, value in self.facts.items()))
        for number, step in enumerate(self.steps, start=1):
            because = f": {markdown.escape(step.why)}" if step.why else ""
            given = "; ".join(map(markdown.escape, (*step.hypotheses, step.sizes)))
            said = f"**{number}. {markdown.escape(step.claim)}**{because}" + (f" ({given})" if given else "")
            told.append(f"{said}\n\n$$\n{flat(step.latex)}\n$$")
        told.append(markdown.table((*self._parts, *self.report.rows)))
        told += [f"{markdown.escape(name)}\n\n{markdown.fence(text.counterexample(found))}" for name, found in self._edges]
        told.append(f"**{markdown.escape(summary(self.report))}**")
        told += [markdown.fence(text.failures(self.report))] if self.report.failed else []
        return "\n\n".join(filter(None, told)) + "\n"

    def to_html(self) -> str:
        """As one HTML page."""
        return html.document(self.title, self._repr_html_())

    def _repr_html_(self) -> str:
        told = [f"<h2>{html.escape(self.title)}</h2><pre>{html.escape(self.body)}</pre>"]
        facts = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in self.facts.items())
        told.append(f"<dl>{''.join(facts)}</dl>")
        told.append(Derivation(self.steps).to_html())
        told.append(html.table(self.report.rows, "Evidence"))
        return html.styled("".join([*told, f"<p><strong>{html.escape(summary(self.report))}</strong></p>"]))

    @property
    def _parts(self) -> tuple[Any, ...]:
        return tuple(part for row in self.report.rows for part in row.parts)

    @property
    def _edges(self) -> list[tuple[str, Any]]:
        found = [(flat(part.method), part) for part in self._parts if part.kind == "edge" and not part.failed]
        return [(name, part.counterexample) for name, part in found if part.counterexample is not None]


def latex(said: str) -> str:
    r"""Words as LaTeX text.

    >>> print(latex("pi_ref > 0"))
    pi\_ref \textgreater{} 0
    """
    return re.sub(r"[\\~^<>|&%$#_{}]", lambda found: _LATEX[found.group()], flat(said))


def _aligned(step: Line) -> str:
    sign = {">=": r"\ge"}.get(step.relation, step.relation)
    tag = rf" \tag*{{({latex(step.why)})}}" if step.why else ""
    return f"    {flat(step.latex).replace(f' {sign} ', f' &{sign} ', 1)}{tag}"
