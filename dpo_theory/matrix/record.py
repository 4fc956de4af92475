"""The records of the matrix: a column, a cell with its evidence, a line, the whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dpo_theory.evidence import SCHEMA_VERSION, Counterexample, Verdict, environment

__all__ = ["SCHEMA", "Cell", "Column", "Line", "Matrix"]

SCHEMA = "dpo-theory/matrix"


@dataclass(frozen=True)
class Column:
    """One question that is asked of every loss.

    Args:
        name: `Cvx`, `BT`, ...
        question: the question in a sentence, and what the answers are.
    """

    name: str
    question: str


@dataclass(frozen=True)
class Cell:
    """One answer and its evidence.

    Args:
        column: whose question it answers.
        shown: `y`, `n`, a value, `?` where nothing decides it, `-` where the question does not apply.
        verdict: of `statement`; a refuted one has a counterexample.
        statement: what was put to the test.
        method: how it was decided.
        reason: why no stronger verdict, or which special case was looked at.
        value: the value in full where the column asks for one.
        counterexample: what refutes the statement.
        note: where the literature says otherwise, what resolves it.
    """

    column: str
    shown: str
    verdict: Verdict
    statement: str
    method: str = ""
    reason: str = ""
    value: str = ""
    counterexample: Counterexample | None = None
    note: str = ""

    @property
    def proved(self) -> bool:
        """Shown for every value of the symbols, or in exact arithmetic."""
        return self.verdict in (Verdict.PROVED, Verdict.CERTIFIED)


@dataclass(frozen=True)
class Line:
    """The cells of one loss.

    Args:
        label: the loss with the options that are not its defaults.
        loss: with all its options.
        cells: one for each column, in order.
        seconds: processor time.
    """

    label: str
    loss: str
    cells: tuple[Cell, ...]
    seconds: float = 0.0

    def __getitem__(self, column: str) -> Cell:
        """The cell in this column."""
        for cell in self.cells:
            if cell.column == column:
                return cell
        raise KeyError(f"no column {column!r}; the columns are {', '.join(cell.column for cell in self.cells)}")


@dataclass(frozen=True)
class Matrix:
    """Losses by properties.

    Args:
        columns: the questions.
        lines: one for each loss.
        seed: of all randomness.
        seconds: wall time.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    seed: int = 0
    seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=environment)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, label: str) -> Line:
        """The line with this label."""
        for line in self.lines:
            if line.label == label:
                return line
        raise KeyError(f"no line {label!r}; the lines are {', '.join(line.label for line in self.lines)}")

    @property
    def counts(self) -> dict[str, int]:
        """verdict -> number of cells, in the order of `Verdict`, zeros left out."""
        seen = [cell.verdict for line in self.lines for cell in line.cells]
        return {verdict.value: seen.count(verdict) for verdict in Verdict if verdict in seen}

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, by the schema in `dpo_theory.report.schema`."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "counts": self.counts,
            "environment": dict(self.environment),
            "columns": [dataclasses.asdict(column) for column in self.columns],
            "lines": [
                {**dataclasses.asdict(line), "cells": [{**dataclasses.asdict(cell), "verdict": cell.verdict.value} for cell in line.cells]}
                for line in self.lines
            ],
        }

    def to_json(self) -> str:
        """As JSON text."""
        from dpo_theory.report.json import dump

        return dump(self.to_dict())

    def to_markdown(self) -> str:
        """As a Markdown table with its notes."""
        from dpo_theory.matrix import markdown

        return markdown.render(self)

    def to_html(self) -> str:
        """As one page; every cell opens to its evidence."""
        from dpo_theory.matrix import html

        return html.page(self)

    def to_text(self, width: int | None = None) -> str:
        """As text: the table, then for up to three losses the evidence of every cell."""
        from dpo_theory.matrix import text

        return text.render(self, width)

    def _repr_html_(self) -> str:
        from dpo_theory.matrix import html

        return html.fragment(self)

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")
