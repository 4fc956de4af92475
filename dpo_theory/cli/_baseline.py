"""Known findings: a run fails only on those that are new."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence, Report

__all__ = ["Baseline", "against", "read"]

FROM_SPEC = ("same-value", "same-gradient")


@dataclass(frozen=True)
class Baseline:
    """The ids of the findings that are known.

    Args:
        known: ids of rows that were not as expected.
        subject: the loss that they were found on; empty where it is not said.
        source: the file.
    """

    known: tuple[str, ...]
    subject: str = ""
    source: str = ""

    @classmethod
    def of(cls, report: Report) -> Baseline:
        """Every finding of a report.

        Raises:
            ValueError: the loss could not be evaluated at all, which no baseline excuses.
        """
        if any(_unevaluated(row) for row in report.rows):
            raise ValueError(f"no baseline is written: {report.rows[0].reason}.")
        return cls(tuple(row.id for row in report.failed), report.subject)

    def to_json(self) -> str:
        """By the schema in `dpo_theory.report.schema`."""
        from dpo_theory.report.json import dump
        from dpo_theory.report.schema import BASELINE, SCHEMA_VERSION

        return dump({"schema": BASELINE, "schema_version": SCHEMA_VERSION, "subject": self.subject, "known": list(self.known)})


def read(path: str) -> Baseline:
    """A baseline, a JSON report whose findings count as known, or a JSON list of ids.

    Raises:
        ValueError: the file cannot be read, is none of these, or names no check.
    """
    from dpo_theory.checks import registry

    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read --baseline {path}: {error.strerror}. Write one with --write-baseline.") from None
    except ValueError as error:
        raise ValueError(f"--baseline {path} is not JSON: {error}.") from None
    subject = content.get("subject", "") if isinstance(content, dict) else ""
    known = content
    if isinstance(content, dict):
        known = _found(content["rows"]) if isinstance(content.get("rows"), list) else content.get("known")
    if not isinstance(known, list) or not all(isinstance(id, str) for id in known):
        raise ValueError(f'--baseline {path} is neither a JSON report nor {{"known": [ids]}}. Write one with --write-baseline.')
    registry.require(id for id in known if id not in FROM_SPEC)
    return Baseline(tuple(dict.fromkeys(known)), str(subject), path)


def against(report: Report, baseline: Baseline) -> tuple[Report, str]:
    """The report in which known findings count as expected, and a sentence on what is known, new and gone."""
    known = {row.id for row in report.failed if row.id in baseline.known and not _unevaluated(row)}
    rows = tuple(_accepted(row, baseline) if row.id in known else row for row in report.rows)
    new = [row.id for row in report.failed if row.id not in known]
    decided = {row.id for row in report.rows if row.verdict.holds or row.verdict.value == "REFUTED"}
    gone = [id for id in baseline.known if id in decided - known - set(new)]
    unseen = [id for id in baseline.known if id not in decided]
    said = [f"{len(known)} known", f"{len(new)} new" + (f" ({', '.join(new)})" if new else "")]
    said += [f"{len(gone)} vanished ({', '.join(gone)}): take them out of {baseline.source}"] if gone else []
    said += [f"{len(unseen)} not decided in this run ({', '.join(unseen)})"] if unseen else []
    return dataclasses.replace(report, rows=rows), "findings: " + ", ".join(said)


def _accepted(row: Evidence, baseline: Baseline) -> Evidence:
    where = f"known finding, in {baseline.source}" if baseline.source else "known finding"
    return dataclasses.replace(row, failed=False, reason="; ".join(filter(None, (where, row.reason))))


def _unevaluated(row: Evidence) -> bool:
    from dpo_theory.checks.runner import CANNOT

    return row.failed and row.reason.startswith(CANNOT)


def _found(rows: list[Any]) -> list[Any]:
    """The ids of a JSON report's rows that are not as expected, those accepted by a baseline included."""
    against_expectation = {"holds": ("REFUTED",), "refuted": ("PROVED", "CERTIFIED", "HOLDS")}
    return [
        row.get("id")
        for row in rows
        if isinstance(row, dict) and (row.get("failed") or row.get("verdict") in against_expectation.get(str(row.get("expected")), ()))
    ]
