"""The records of identification and comparison, and how they are shown."""

from __future__ import annotations

import dataclasses
import textwrap
from dataclasses import dataclass
from typing import Any

from dpo_theory.evidence import SCHEMA_VERSION, Counterexample, Verdict

__all__ = ["COMPARISON", "IDENTIFICATION", "Comparison", "Identification", "affine"]

IDENTIFICATION = "dpo-theory/identification"
COMPARISON = "dpo-theory/comparison"


class Shown:
    """Text, JSON and HTML of a record that has `lines()`."""

    def lines(self) -> list[tuple[str, str]]:
        """(name, what is said)."""
        raise NotImplementedError

    def to_text(self, width: int | None = None) -> str:
        """One line for each thing said; a counterexample in full."""
        from dpo_theory.report.cells import clean

        shown = self.lines()
        wide = max(len(name) for name, _ in shown)
        told = []
        for name, value in shown:
            head = f"{name.ljust(wide)}  "
            if width is None or width < wide + 20:
                told.append(head + value)
            else:
                told.append(textwrap.fill(value, width, initial_indent=head, subsequent_indent=" " * len(head)))
        found = getattr(self, "counterexample", None)
        if found is not None:
            told += ["", str(found)]
        return clean("\n".join(told)) + "\n"

    def _repr_html_(self) -> str:
        from dpo_theory.report.html import escape, styled
        from dpo_theory.report.text import counterexample

        rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in self.lines())
        found = getattr(self, "counterexample", None)
        shown = f"<pre>{escape(counterexample(found))}</pre>" if found is not None else ""
        return styled(f"<table><tbody>{rows}</tbody></table>{shown}")

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def to_json(self) -> str:
        """By the schema in `dpo_theory.report.schema`."""
        from dpo_theory.fingerprint.record import _plain as plain
        from dpo_theory.report.json import dump

        told = {"schema": self.schema, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}  # type: ignore[call-overload, attr-defined]
        return dump(plain(told))


@dataclass(frozen=True)
class Identification(Shown):
    """Which loss of the library a black box is.

    Args:
        target: how it is shown.
        name: the class, or empty where none is known.
        loss: the loss with its options, as code; with `name` empty the nearest one.
        options: the options, each a field and its value.
        convention: how its inputs differ: `as it is`, `log-probabilities per token`, ...
        scale, constant: target = scale * loss + constant.
        shift, stretch: the margin (in nats) of the loss is stretch * margin + shift.
        verdict: PROVED where the difference is 0 as an expression, HOLDS where it was measured, REFUTED where none is known.
        residual: the worst relative residual on the pairs that were kept for the test.
        instances: how many pairs those were.
        how: what was fitted and what was proved.
        also: other names for the same loss.
        counterexample: where the nearest loss differs.
        tried: how many families were fitted.
        seconds: wall time.
    """

    target: str
    name: str
    loss: str
    options: tuple[tuple[str, Any], ...]
    convention: str
    scale: float
    constant: float
    shift: float
    stretch: float
    verdict: Verdict
    residual: float
    instances: int
    how: str
    also: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    tried: int = 0
    seconds: float = 0.0

    schema = IDENTIFICATION

    @property
    def known(self) -> bool:
        """It has a name."""
        return bool(self.name)

    @property
    def formula(self) -> str:
        """The target in terms of the loss."""
        margin = affine(self.stretch, "margin", self.shift)
        of = "" if margin == "margin" else f" at {margin}"
        return affine(self.scale, f"{self.loss}{of}", self.constant)

    def lines(self) -> list[tuple[str, str]]:
        """What is shown."""
        told = [("target", self.target)]
        if self.known:
            told += [("is", self.loss), ("as", self.formula), ("convention", self.convention)]
        else:
            told += [("is", "none known"), ("nearest", f"{self.formula}, {self.convention}")]
        told += [("verdict", self.verdict.value), ("how", self.how)]
        told += [("residual", f"{self.residual:.1e} on {self.instances} rows that were not fitted")]
        told += [("also", ", ".join(self.also))] if self.also else []
        return told


@dataclass(frozen=True)
class Comparison(Shown):
    """How two losses differ.

    Args:
        a, b: how they are shown.
        relation: `identical`, `equal up to scale`, `a different convention`, `different`.
        convention: what differs, in words; empty where nothing does.
        formula: a in terms of b.
        verdict: PROVED, HOLDS or, where they differ, REFUTED.
        residual: the worst relative residual of the formula.
        instances: on how many pairs.
        how: how it was decided.
        counterexample: the smallest pair on which they differ as they are.
        seconds: wall time.
    """

    a: str
    b: str
    relation: str
    convention: str
    formula: str
    verdict: Verdict
    residual: float
    instances: int
    how: str
    counterexample: Counterexample | None = None
    seconds: float = 0.0

    schema = COMPARISON

    @property
    def exit_code(self) -> int:
        """0 identical, 1 otherwise."""
        return 0 if self.relation == "identical" else 1

    def lines(self) -> list[tuple[str, str]]:
        """What is shown."""
        told = [("A", self.a), ("B", self.b), ("relation", self.relation)]
        told += [("convention", self.convention)] if self.convention else []
        told += [("formula", self.formula)] if self.formula else []
        return [*told, ("verdict", f"{self.verdict.value}: {self.how}"), ("residual", f"{self.residual:.1e} on {self.instances} pairs")]


def affine(scale: float, of: str, constant: float) -> str:
    """`scale * of + constant`, without what changes nothing."""
    told = of if scale == 1 else f"{scale:.12g} * {of}"
    return told if constant == 0 else f"{told} {'-' if constant < 0 else '+'} {abs(constant):.12g}"
