import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.claims.runner import Interrupted
from dpo_theory.cli import main
from dpo_theory.evidence import Verdict
from dpo_theory.report.schema import SCHEMA
from tests.unit.report.reports import ALL_WELL, SAMPLE, row


def test_every_claim_by_default(theory, capsys):
    assert main(["verify"]) == 1
    assert theory.asked == [(("D04", "E1", "D09", "D11", "D12"), 0)]
    assert capsys.readouterr().out == SAMPLE.to_text()


def test_ids_and_aliases_in_any_case_each_once(theory):
    theory.report = ALL_WELL
    assert main(["verify", "EQ4", "e1", "D04", "--seed", "7"]) == 0
    assert theory.asked == [(("D04", "E1"), 7)]


@pytest.mark.parametrize(
    ("rows", "of", "code"),
    [
        ((row(),), 1, 0),
        ((row(verdict=Verdict.REFUTED, expected="refuted"),), 1, 0),
        ((row(), row("D05", Verdict.SKIPPED)), 2, 0),
        ((row(verdict=Verdict.REFUTED, failed=True),), 1, 1),
        ((row(verdict=Verdict.UNDECIDED, failed=True),), 1, 1),
        ((row(),), 2, 1),
        ((), 0, 3),
        ((row(verdict=Verdict.SKIPPED),), 1, 3),
    ],
)
def test_exit_status(theory, rows, of, code):
    theory.report = replace(SAMPLE, rows=rows, of=of)
    assert main(["verify"]) == code


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["D04x"], "Did you mean D04"),
        (["D04", "nonsense"], "no claim is called 'nonsense'"),
        (["-o", "/nowhere/report.json"], "no folder /nowhere"),
        (["-o", "report.pdf"], "--format text|json|junit|markdown|html"),
        (["-o", "."], "is a folder"),
        (["--list", "--format", "junit"], "--list has no format 'junit'"),
    ],
)
def test_bad_input_is_one_message_before_anything_runs(theory, argv, said, capsys):
    assert main(["verify", *argv]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert theory.asked == []


@pytest.mark.parametrize("seed", ["-1", "1.5", "x", "²"])
def test_a_bad_seed_is_refused(theory, seed, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["verify", "--seed", seed])
    assert stop.value.code == 2
    assert "whole number >= 0" in capsys.readouterr().err


def test_list_runs_nothing(theory, capsys):
    assert main(["verify", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "D04  statement of D04 (eq4)"
    assert main(["verify", "--list", "e1", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(listed)
    assert [claim["id"] for claim in listed["claims"]] == ["E1"]
    assert theory.asked == []


@pytest.mark.parametrize(
    ("form", "reads"),
    [
        ("json", lambda text: len(json.loads(text)["rows"])),
        ("junit", lambda text: len(ET.fromstring(text).findall("testsuite/testcase"))),
        ("markdown", lambda text: text.count("\n| ") - len(("header", "rule"))),
        ("html", lambda text: text.count('<th scope="row">')),
    ],
)
def test_formats_show_every_row(theory, form, reads, capsys):
    assert main(["verify", "--format", form]) == 1
    assert reads(capsys.readouterr().out) == len(SAMPLE)


def test_an_interruption_reports_what_is_done(theory, tmp_path, capsys):
    theory.raises = Interrupted(replace(ALL_WELL, of=5))
    assert main(["verify"]) == 130
    told = capsys.readouterr()
    assert "2 of 5 ran" in told.out
    assert "INCOMPLETE: 3 not reached." in told.out
    assert told.err == "interrupted\n"
    assert main(["verify", "-o", str(tmp_path / "partial.json")]) == 130
    assert json.loads((tmp_path / "partial.json").read_text())["passed"] is False


ROOT = Path(__file__).parents[3]
SLOW = """
import sys, time
from dpo_theory.claims import registry, runner
from dpo_theory.cli import main
from tests.unit.report.reports import row

def run(claim, *, seed=0):
    if claim == "D12":
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    return row(claim)

registry.load, runner.run = (lambda id: id), run
registry.ids = lambda: ("D04", "D12", "D13")
sys.exit(main(["verify"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_ctrl_c():
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "1 of 3 ran" in out
    assert err == "interrupted\n"


def test_the_theory_itself(capsys):
    assert main(["verify", "eq4", "E1", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(report)
    assert [row["verdict"] for row in report["rows"]] == ["PROVED", "REFUTED"]
