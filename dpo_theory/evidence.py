"""What was verified, and how strongly: the records that every claim and every check returns.

A leaf: it imports nothing of ours when it is loaded. A report looks up its renderers in `dpo_theory.report` when it is
asked to show itself.
"""

from __future__ import annotations

import dataclasses
import math
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["SCHEMA", "SCHEMA_VERSION", "Counterexample", "Evidence", "Report", "Verdict", "VerificationError"]

SCHEMA = "dpo-theory/report"
SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """How a statement stands, strongest first.

    PROVED: symbolically, for every value of the symbols; `Evidence.sizes` says which sizes are symbolic.
    CERTIFIED: in balls or exact rationals, for the instances shown.
    HOLDS: measured on so many instances, worst residual given. A float identity at rounding level is HOLDS.
    REFUTED: a counterexample was found. UNDECIDED: neither; the reason is written.
    NOT_APPLICABLE: the statement does not speak of this subject. SKIPPED: not run; the reason is written.
    """

    PROVED = "PROVED"
    CERTIFIED = "CERTIFIED"
    HOLDS = "HOLDS"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    SKIPPED = "SKIPPED"

    @property
    def holds(self) -> bool:
        """True for PROVED, CERTIFIED and HOLDS."""
        return self in (Verdict.PROVED, Verdict.CERTIFIED, Verdict.HOLDS)

    @property
    def ran(self) -> bool:
        """False for SKIPPED and NOT_APPLICABLE."""
        return self not in (Verdict.SKIPPED, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True)
class Counterexample:
    """The smallest problem found that shows a statement false.

    Args:
        problem: the instance, in words or as code.
        expected: what the statement says.
        got: what was measured.
        because: the likely cause.
        reproduce: Python that can be pasted; prints what was got.
    """

    problem: str
    expected: str
    got: str
    because: str = ""
    reproduce: str = ""

    def __str__(self) -> str:
        lines = [f"problem:  {self.problem}", f"expected: {self.expected}", f"got:      {self.got}"]
        if self.because:
            lines.append(f"because:  {self.because}")
        if self.reproduce:
            lines += ["reproduce:", *("    " + line for line in self.reproduce.strip().splitlines())]
        return "\n".join(lines)


@dataclass(frozen=True)
class Evidence:
    """One row of a report.

    Args:
        id: `D04`, `bt-proper`, ...
        name: the statement in a few words.
        kind: `claim`, `contract`, `property`; for a part of a claim `proof`, `certificate`, `search`, `edge`.
        statement: the statement in full.
        source: where it stands in the literature.
        declared: what the subject declares: `has`, `lacks`, or None.
        expected: the expected outcome: `holds`, `refuted`, or None where nothing is expected.
        verdict: how it stands.
        failed: the verdict is not the expected one.
        method: how it was reached, in a few words.
        sizes: which sizes are symbolic in a proof: `every n`, `n = 2, 3, 4`, ...
        residual: the worst measured residual, relative to `tolerance`'s scale; None where nothing was measured.
        tolerance: the bound on `residual`.
        instances: how many problems were measured.
        seed: the seed of all randomness.
        counterexample: the smallest problem that refutes.
        seconds: wall time.
        reason: why UNDECIDED, SKIPPED, NOT_APPLICABLE, or why no stronger verdict.
        parts: the evidence that this row sums up.
    """

    id: str
    name: str
    kind: str
    statement: str
    source: str
    declared: str | None
    expected: str | None
    verdict: Verdict
    failed: bool
    method: str = ""
    sizes: str = ""
    residual: float | None = None
    tolerance: float | None = None
    instances: int = 0
    seed: int | None = None
    counterexample: Counterexample | None = None
    seconds: float = 0.0
    reason: str = ""
    parts: tuple[Evidence, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON values: non-finite floats become strings."""
        return {name: _plain(getattr(self, name)) for name in (f.name for f in dataclasses.fields(self))}


class VerificationError(AssertionError):
    """Raised by `Report.raise_if_failed`: some row is not as expected."""


@dataclass(frozen=True)
class Report:
    """Evidence about one subject, in order.

    Args:
        subject: what was verified.
        rows: the evidence.
        of: how many rows were asked for; more than `len(rows)` after an interruption.
        seed: the seed of all randomness.
        seconds: wall time of the whole run.
        fingerprint: of a loss, what it aims at (`dpo_theory.fingerprint.Fingerprint`); None where it was not taken.
        replay: the command that runs one row again; `{id}` stands for its id.
        derivation: id of a row -> its derivation (`dpo_theory.report.derivation.Derivation`), made when a page asks; None without.
    """

    subject: str
    rows: tuple[Evidence, ...]
    of: int | None = None
    seed: int | None = None
    seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=lambda: environment())
    fingerprint: Any = None
    replay: str = ""
    derivation: Any = None

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, id: str) -> Evidence:
        """The row with this id."""
        for row in self.rows:
            if row.id == id:
                return row
        raise KeyError(f"no row {id!r}; the rows are {', '.join(row.id for row in self.rows)}")

    @property
    def failed(self) -> tuple[Evidence, ...]:
        """The rows that are not as expected."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def passed(self) -> bool:
        """Every row asked for ran to its end and is as expected, and at least one ran."""
        return not self.failed and self.ran > 0 and len(self.rows) == self.asked

    @property
    def asked(self) -> int:
        """How many rows were asked for."""
        return len(self.rows) if self.of is None else self.of

    @property
    def ran(self) -> int:
        """How many rows ran."""
        return sum(row.verdict.ran for row in self.rows)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """id -> verdict."""
        return {row.id: row.verdict for row in self.rows}

    @property
    def counts(self) -> dict[str, int]:
        """verdict -> number of rows, in the order of `Verdict`, zeros left out."""
        seen = Counter(row.verdict for row in self.rows)
        return {verdict.value: seen[verdict] for verdict in Verdict if seen[verdict]}

    @property
    def exit_code(self) -> int:
        """0 every verdict as expected, 1 something unexpected or not reached, 3 nothing ran."""
        if self.passed:
            return 0
        return 1 if self.failed or self.ran else 3

    def raise_if_failed(self) -> Report:
        """The report itself, or VerificationError with every row that is not as expected."""
        if not self.passed:
            from dpo_theory.report import text

            raise VerificationError(text.failures(self))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, by the schema in `dpo_theory.report.schema`."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "seed": self.seed,
            "passed": self.passed,
            "ran": self.ran,
            "of": self.asked,
            "counts": self.counts,
            "seconds": _plain(round(self.seconds, 3)),
            "environment": dict(self.environment),
            "rows": [row.to_dict() for row in self.rows],
            "fingerprint": None if self.fingerprint is None else self.fingerprint.to_dict(),
        }

    def to_json(self) -> str:
        """The report as JSON text."""
        from dpo_theory.report import json

        return json.render(self)

    def to_junit(self) -> str:
        """The report as JUnit XML."""
        from dpo_theory.report import junit

        return junit.render(self)

    def to_markdown(self) -> str:
        """The report as a Markdown table."""
        from dpo_theory.report import markdown

        return markdown.render(self)

    def to_html(self) -> str:
        """The report as one self-contained HTML page."""
        from dpo_theory.report import html

        return html.page(self)

    def _repr_html_(self) -> str:
        from dpo_theory.report import html

        return html.fragment(self)

    def to_text(self, width: int | None = None) -> str:
        """The report as text, fitted to `width` columns; None writes each row on one line."""
        from dpo_theory.report import text

        return text.render(self, width)

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")


def environment() -> dict[str, str]:
    """Versions that a number may depend on, without importing anything."""
    from importlib.metadata import PackageNotFoundError, version

    from dpo_theory._version import __version__

    found = {"dpo-theory": __version__, "python": platform.python_version()}
    found |= {"platform": platform.platform(), "machine": platform.machine()}
    for package in ("numpy", "scipy", "sympy", "torch", "mpmath", "python-flint", "hypothesis"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found["byteorder"] = sys.byteorder
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, Evidence):
        return value.to_dict()
    if isinstance(value, Counterexample):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
