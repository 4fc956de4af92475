"""The derivation of a claim, line by line: run once more for its equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dpo_theory.report.cells import flat

__all__ = ["Derivation", "Line"]


@dataclass(frozen=True)
class Line:
    """One step of a derivation: what it says, the equation as text and as LaTeX, why, under which hypotheses, for which sizes."""

    claim: str
    text: str
    latex: str
    why: str
    hypotheses: tuple[str, ...]
    sizes: str
    relation: str


@dataclass(frozen=True)
class Derivation:
    """The lines of a derivation.

    Args:
        lines: in order.
        stopped: the error at which it stopped; empty where it ran to its end.
    """

    lines: tuple[Line, ...]
    stopped: str = ""

    @classmethod
    def of(cls, claim: Any) -> Derivation:
        """That of a claim: it has `derive`, which gives steps, or None."""
        lines: list[Line] = []
        try:
            for step in claim.derive() if claim.derive is not None else ():
                said = (step.claim, step.text().replace("\\", ""), step.latex(), step.why)
                lines.append(Line(*said, tuple(step.hypotheses), step.sizes, step.relation))
        except Exception as error:  # the report says what it means for the claim; here it is only shown
            return cls(tuple(lines), f"{type(error).__name__}: {error}")
        return cls(tuple(lines))

    def to_html(self) -> str:
        """The steps as a list of formulas, each with what it says and why."""
        from dpo_theory.report.html import escape

        steps = "".join(
            f"<li>{escape(line.claim)}{formula(line)}"
            f'<span class="small">{escape(flat("; ".join(filter(None, (*line.hypotheses, line.sizes, line.why)))))}</span></li>'
            for line in self.lines
        )
        stopped = f"<p>{escape(f'derivation stopped: {self.stopped}')}</p>" if self.stopped else ""
        return (f'<ol class="steps">{steps}</ol>' if steps else "") + stopped


def formula(line: Line) -> str:
    """The equation as MathML in a box of its own that scrolls; as text where it uses what MathML is not written for."""
    from dpo_theory.report.formula import UnknownLatex, mathml
    from dpo_theory.report.html import escape

    try:
        return f'<div class="formula" tabindex="0">{mathml(line.latex)}</div>'
    except UnknownLatex:
        return f"<pre>{escape(line.text)}</pre>"
