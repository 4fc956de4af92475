"""A theory of five claims, so that the commands can be tried without proving anything."""

import io
import sys
from types import SimpleNamespace

import pytest

from dpo_theory.claims import registry, runner
from tests.unit.report.reports import SAMPLE


@pytest.fixture
def theory(monkeypatch):
    """`theory.report` is what `verify` returns; `theory.asked` records with what it was called."""
    made = SimpleNamespace(report=SAMPLE, asked=[], raises=None)
    ids = tuple(row.id for row in SAMPLE.rows)

    def verify(ids=None, *, seed=0, on_row=None):
        made.asked.append((tuple(ids), seed))
        for done, row in enumerate(made.report.rows, start=1):
            if on_row is not None:
                on_row(row, done, len(made.report.rows))
        if made.raises is not None:
            raise made.raises
        return made.report

    def load(id):
        return SimpleNamespace(
            id=id, aliases=("eq4",), name=f"statement of {id}", statement=f"statement of {id}.\n\n    x = y", source="eq. 4",
            assumes=(), expects="holds", unproved="", derive=None,
        )  # fmt: skip

    monkeypatch.setattr(registry, "ids", lambda: ids)
    monkeypatch.setattr(registry, "aliases", lambda: {"eq4": "D04"})
    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(runner, "verify", verify)
    return made


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Call with the number of columns: standard output becomes such a terminal."""

    def become(columns):
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return become
