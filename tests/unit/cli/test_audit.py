import json

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.audit import matrix, run
from dpo_theory.cli import main
from dpo_theory.report.schema import SCHEMA
from tests.unit.report.reports import ALL_WELL, SAMPLE


@pytest.fixture
def trial(monkeypatch):
    """`trial(report)`: what the audit finds; returns how it was asked."""
    asked = []

    def put(report):
        def audit(*, seed, full, on_row):
            asked.append((seed, full))
            return matrix.Audit(report, {row.id: () for row in report.rows}, ("monotone", "convex"), full)

        monkeypatch.setattr(run, "audit", audit)
        return asked

    return put


def test_the_matrix_is_printed_and_the_status_is_that_of_the_trial(trial, capsys):
    asked = trial(ALL_WELL)
    assert main(["audit", "--seed", "3"]) == 0
    assert asked == [(3, False)]
    told = capsys.readouterr().out
    assert told.startswith("Kill matrix")
    assert "00  monotone" in told


def test_a_survivor_or_a_false_alarm_is_status_1(trial):
    asked = trial(SAMPLE)
    assert main(["audit", "--full"]) == 1
    assert asked == [(0, True)]


def test_json_follows_the_schema(trial, capsys):
    trial(ALL_WELL)
    assert main(["audit", "--format", "json"]) == 0
    Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))


def test_bad_input_is_one_message_before_anything_runs(trial, capsys):
    asked = trial(ALL_WELL)
    assert main(["audit", "-o", "matrix.tex"]) == 2
    assert "suffix '.tex'" in capsys.readouterr().err
    assert asked == []
