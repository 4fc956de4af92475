"""The README's generated tables are those that their sources give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.contest import Contest, Peer
from benchmarks.table import claims_table, installed_table, table, with_table
from tests.claims.pinned import PINNED

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results.json"


def _contest(kind, floor, peers):
    return Contest("it", "a problem", 2.0, 7, 1e-12, 1e-11, peers, kind, floor, None)


README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["benchmarks", "installed", "claims"])
def test_readme_shows_what_was_generated(name):
    made = {
        "benchmarks": lambda: table(json.loads(RESULTS.read_text())),
        "installed": lambda: installed_table((ROOT / "benchmarks" / "installed_losses.md").read_text(encoding="utf-8")),
        "claims": lambda: claims_table(PINNED),
    }
    assert with_table(README, name, made[name]()) == README, "run python -m benchmarks.table"


def test_only_peers_that_are_accurate_enough_are_compared():
    found = _contest("faster", 3, (Peer("quick and wrong", 1.0, 1, 1.0, qualifies=False), Peer("right", 8.0, 1, 1e-9)))
    assert found.best.name == "right"
    assert found.figure == 4.0
    assert found.reached


@pytest.mark.parametrize(("kind", "floor", "reached"), [("slower", 3, False), ("slower", 5, True), ("limit", 1, False), ("limit", 3, True)])
def test_floors_are_told_from_ceilings(kind, floor, reached):
    assert _contest(kind, floor, (Peer("formula", 0.5, 7, 0.0),)).reached is reached


def test_missing_markers_are_refused():
    with pytest.raises(ValueError, match="has no <!-- benchmarks: begin -->"):
        with_table("no markers", "benchmarks", "")
