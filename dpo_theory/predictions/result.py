"""A study that was run: its question, its figure, its numbers, and what became of the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bandits.experiments.engine.plan import Study
from bandits.experiments.engine.records import Records
from dpo_theory.predictions.prediction import Prediction

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["Result", "page", "summary"]

_MOST = 60


@dataclass(frozen=True, eq=False)
class Result:
    """What a study found.

    Args:
        study: the study.
        prediction: what theory says about it.
        records: what was measured.
        report: the evidence.

    It shows itself in a notebook as its page does.
    """

    study: Study
    prediction: Prediction
    records: Records
    report: Report

    def to_text(self, width: int | None = None) -> str:
        """Question, numbers, evidence."""
        head = f"{self.study.question}\n\n{self.prediction.statement.strip()}\n"
        return f"{head}\n{_text_table(*summary(self.study, self.records))}\n{self.report.to_text(width)}"

    def to_json(self) -> str:
        """The evidence as JSON, by the schema of reports."""
        return self.report.to_json()

    def to_markdown(self) -> str:
        """Question, numbers and evidence as Markdown."""
        names, rows = summary(self.study, self.records)
        lines = ["| " + " | ".join(row) + " |" for row in (names, ["---"] * len(names), *rows)]
        return f"{self.study.question}\n\n" + "\n".join(lines) + f"\n\n{self.report.to_markdown()}"

    def to_html(self) -> str:
        """One self-contained page."""
        return page([self])

    def _repr_html_(self) -> str:
        from dpo_theory.report.html import styled

        return styled(section(self))


def summary(study: Study, records: Records) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of the table: groups, and the mean of each number with its standard error."""
    by, numbers = study.summary
    if not by or len(records) == 0:
        return [], []
    cells: dict[tuple[object, ...], dict[str, str]] = {}
    for number in numbers:
        for group in records.means(number, *by):
            told = f"{group.mean:.5g}" if group.size else ""
            told += f" ± {group.error:.1g}" if group.size > 1 else ""
            cells.setdefault(group.key, {})[number] = told
    rows = [[*(_short(part) for part in key), *(found.get(number, "") for number in numbers)] for key, found in cells.items()]
    return [*by, *numbers], rows


def page(results: Sequence[Result]) -> str:
    """One self-contained HTML page: figure, table, prediction and verdict of each study."""
    from dpo_theory.report.html import document, escape, styled

    title = "Studies on tabular bandits" if len(results) > 1 else f"The study {results[0].study.name}"
    unmet = [result.study.name for result in results if not result.report.passed]
    verdict = f"Not as predicted: {', '.join(unmet)}" if unmet else "As predicted"
    head = f'<h1>{escape(title)}: <span class="{"bad" if unmet else "good"}">{escape(verdict)}</span></h1>'
    ordered = sorted(results, key=lambda result: result.report.passed)
    return document(f"{verdict}: {title}", styled(head + "".join(section(result) for result in ordered)))


def section(result: Result) -> str:
    """A study as an HTML element."""
    from bandits.plots.page import to_svg
    from dpo_theory.report.cells import environment
    from dpo_theory.report.cells import summary as counted
    from dpo_theory.report.html import escape, figure, table

    picture = to_svg(result.study, result.records)
    names, rows = summary(result.study, result.records)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join("<tr>" + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    header = result.records.header
    run = f"{header.get('seeds')} seeds, root {header.get('root')}, fingerprint {header.get('fingerprint')}, {len(result.records)} records"
    return (
        f'<section><h2>{escape(result.study.name)}</h2><p>{escape(result.study.question)}</p>'
        f"{figure(picture)}"
        f"<p><strong>{escape(counted(result.report))}</strong></p><pre>{escape(result.prediction.statement.strip())}</pre>"
        f"{table(result.report.rows, 'What was predicted, what was planted, and what was found')}"
        f"<details><summary>numbers</summary><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
        f'<p class="small">{escape(run)}. {escape(environment(result.report))}</p></section>'
    )  # fmt: skip


def _text_table(names: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    shown = [names, *rows[:_MOST]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(names))]
    lines = ["  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in shown]
    more = [f"... and {len(rows) - _MOST} more rows: --out DIR keeps every record"] if len(rows) > _MOST else []
    return "\n".join(lines + more) + "\n"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
