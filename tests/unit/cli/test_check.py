"""`dpo-theory check`: targets, declarations, specifications, baselines, and what it says where it cannot run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.checks import registry
from dpo_theory.checks.runner import Interrupted
from dpo_theory.cli import main
from dpo_theory.evidence import Verdict
from dpo_theory.report.schema import SCHEMA
from tests.unit.report.reports import SAMPLE

ROOT = Path(__file__).parents[3]
LOSSES = """
import functools
from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid, softplus

print("imported")


def dpo(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta=0.1):
    print("called")
    margin = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -logsigmoid(beta * margin), margin.detach()


def needs_beta(a, b, c, d, beta):
    return softplus(-beta * (a - b - c + d))


def divides(a, b, c, d, beta=0.1):
    return softplus(-(a - b - c + d) / beta)


@dataclass(frozen=True)
class Squared:
    target: float = 1.0

    def __post_init__(self):
        if self.target <= 0:
            raise ValueError("target must be > 0.")

    def __call__(self, pairs):
        return (pairs.margin - self.target) ** 2


class Module(torch.nn.Module):
    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def forward(self, policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps):
        return dpo(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, self.beta)[0].mean()


unstable = lambda pairs: -torch.log(torch.sigmoid(pairs.margin))
partial = functools.partial(dpo, beta=0.3)
made = Squared()
ten = 10


def two(a, b):
    return a - b


def fails(pairs):
    raise RuntimeError("no such luck")


def quits(pairs):
    raise SystemExit(0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with losses, in which the command is run; what it imports is forgotten afterwards."""
    (tmp_path / "mine.py").write_text(LOSSES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def check(capsys, *argv):
    """(exit status, output, errors)"""
    status = main(["check", *argv])
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    return status, told.out, told.err


def verdicts(out):
    report = json.loads(out)
    Draft202012Validator(SCHEMA).validate(report)
    return {row["id"]: row["verdict"] for row in report["rows"]}


@pytest.mark.parametrize(
    ("argv", "subject"),
    [
        (["mine.py:dpo"], "dpo"),
        (["mine:dpo", "--param", "beta=0.3"], "dpo(beta=0.3)"),
        (["mine.py:needs_beta", "--beta", "0.3"], "needs_beta(beta=0.3)"),
        (["mine.py:partial", "--param", "beta=0.7"], "dpo(beta=0.7)"),
        (["mine.py:Squared", "--param", "target=2"], "Squared(target=2)"),
        (["mine.py:made", "--param", "target=3"], "Squared(target=3)"),
        (["mine.py:made"], "Squared(target=1.0)"),
        (["mine.py:Module", "--beta", "0.3"], "Module()"),
        (["./mine.py:two", "--style", "logps-no-reference"], "two"),
        (["dpo"], "DPO(beta=0.1)"),
        (["DPO(beta=0.3)"], "DPO(beta=0.3)"),
        (["DPO", "--beta", "0.3"], "DPO(beta=0.3)"),
    ],
)
def test_targets(folder, capsys, argv, subject):
    status, out, err = check(capsys, *argv, "--only", "per-example", "--format", "json")
    assert status == 0
    assert json.loads(out)["subject"] == subject
    assert ("running the code of" in err) == (":" in argv[0])


def test_a_lambda_is_shown_by_the_name_that_was_asked_for(folder, capsys):
    assert check(capsys, "mine.py:unstable", "--only", "per-example")[1].startswith("unstable (")


def test_what_a_module_prints_stays_out_of_the_report(folder, capsys):
    _, out, err = check(capsys, "mine.py:dpo", "--only", "finite", "--format", "json")
    assert verdicts(out) == {"finite": "HOLDS"}
    assert err.splitlines()[:2] == ["running the code of mine.py", "imported"]


def test_files_beside_a_file_and_dataclasses_in_it_are_found(folder, capsys):
    (folder / "beside.py").write_text("SCALE = 2.0\n")
    (folder / "json.py").write_text("from beside import SCALE\n\ndef loss(pairs):\n    return -SCALE * pairs.margin\n")
    assert check(capsys, "json.py:loss", "--only", "finite")[0] == 0
    assert json.__file__ != str(folder / "json.py")


def test_a_module_in_a_package(folder, capsys):
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "loss.py").write_text("from . import other\n\ndef loss(pairs):\n    return -other.SCALE * pairs.margin\n")
    (folder / "pack" / "other.py").write_text("SCALE = 2.0\n")
    assert check(capsys, "pack.loss:loss", "--only", "finite")[0] == 0
    status, _, err = check(capsys, "pack/loss.py:loss")
    assert status == 2
    assert "write package.module:NAME" in err


BROKEN = {
    "syntax.py": "def f(:\n",
    "missing.py": "\nimport no_such_package\n",
    "leaves.py": "import sys\nsys.exit(0)\n",
    "divides.py": "x = 1\n\n1 / 0\n",
    "binary.py": "\0",
}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "no TARGET. Pass FILE.py:NAME"),
        (["mne.py:dpo"], "there is no file mne.py. Did you mean mine.py"),
        (["mine.py:dpoo"], "mine.py has no 'dpoo'. Did you mean dpo?"),
        (["mine.py:zzz"], "It defines dpo, needs_beta, divides, Squared, Module"),
        (["mine.py:made.zzz"], "mine.py has no 'made.zzz'"),
        (["mine.py:"], "mine.py: does not say which loss. It defines dpo"),
        (["mine.py"], "Pass mine.py:NAME; it defines dpo"),
        (["mine.py:ten"], "10 (int) is not callable"),
        (["syntax.py:f"], "syntax.py does not parse, line 1: invalid syntax: 'def f(:'"),
        (["missing.py:f"], "missing.py cannot be imported, missing.py line 2: ModuleNotFoundError: No module named 'no_such_package'"),
        (["missing:f"], "missing cannot be imported, missing.py line 2"),
        (["leaves.py:f"], "leaves.py exits when it is imported"),
        (["divides.py:f"], "divides.py line 3: ZeroDivisionError: division by zero"),
        (["binary.py:f"], "binary.py does not parse"),
        (["mien:dpo"], "there is no module mien. Did you mean mine"),
        (["numpy.linalgg:norm"], "there is no module numpy.linalgg. Did you mean linalg"),
        (["a b:f"], "'a b' is neither a file nor a module"),
        (["DPOO"], "the library has no loss 'DPOO'. Did you mean DPO"),
        (["zzz"], "The library has"),
        (["DPO(bta=1)"], "DPO has no option 'bta'. Did you mean beta?"),
        (["DPO(0.1)"], "is not a loss with its options"),
        (["DPO", "--beta", "-1"], "DPO(beta=-1.0) cannot be made: ValueError: beta is -1.0, expected a finite number > 0"),
        (["PlackettLuceDPO"], "takes RankedLogProbs"),
        (["mine.py:two"], "two(a, b) is ambiguous"),
        (["mine.py:quits"], "the loss ended the process"),
        (["mine.py:Module"], "missing 1 required positional argument: 'beta'. Pass its options with --param"),
        (["mine.py:Squared", "--param", "target=-1"], "Squared(target=-1) cannot be made: ValueError: target must be > 0."),
        (["mine.py:Squared", "--param", "tarket=1"], "Squared has no option 'tarket'. Did you mean target?"),
        (["mine.py:made", "--param", "tarket=1"], "Squared has no option 'tarket'. Did you mean target?"),
        (["mine.py:dpo", "--param", "bta=1"], "dpo has no option 'bta'. Did you mean beta?"),
        (["mine.py:dpo", "--param", "beta"], "--param 'beta' is not NAME=VALUE"),
        (["mine.py:dpo", "--param", "beta=O.1"], "'O.1' is not a Python literal. For text write --param beta=\"'O.1'\""),
        (["mine.py:dpo", "--param", "beta=1", "--param", "beta=2"], "--param beta is given twice"),
        (["mine.py:dpo", "--param", "beta=1", "--beta", "2"], "both set beta"),
        (["mine.py:dpo", "--spec", "dpp"], "the library has no loss 'dpp'. Did you mean DPO"),
        (["mine.py:dpo", "--only", "convx"], "no check is called 'convx'. Did you mean convex"),
        (["mine.py:dpo", "--has", "convx"], "no property is called 'convx'"),
        (["mine.py:dpo", "--has", "convex", "--lacks", "convex"], "declared both present and absent"),
        (["mine.py:dpo", "--only", "batch-coupled"], "no check is called 'batch-coupled'"),
        (["mine.py:dpo", "--baseline", "none.json"], "cannot read --baseline none.json: No such file"),
        (["mine.py:dpo", "--baseline", "mine.py"], "--baseline mine.py is not JSON"),
        (["mine.py:dpo", "-o", "report.pdf"], "cannot tell a format"),
        (["mine.py:dpo", "--write-baseline", "nowhere/known.json"], "there is no folder"),
        (["--list", "--format", "html"], "--list has no format 'html'"),
    ],
)
def test_bad_input_is_one_message(folder, capsys, argv, said):
    for name, text in BROKEN.items():
        (folder / name).write_text(text)
    status, out, err = check(capsys, *argv)
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert err.count("dpo-theory check: error: ") == 1


def test_declarations_are_strict_both_ways(folder, capsys):
    status, out, _ = check(capsys, "mine.py:Squared", "--only", "convex,monotone", "--has", "convex,monotone")
    assert status == 1
    assert "declared: has, expected: holds, got: REFUTED" in out
    assert "remedy: " in out
    status, out, _ = check(capsys, "mine.py:Squared", "--only", "convex,monotone", "--has", "convex", "--lacks", "monotone")
    assert status == 0
    assert "PROVED, as declared" in out
    assert "REFUTED, as declared" in out
    assert check(capsys, "mine.py:Squared", "--only", "convex", "--lacks", "convex")[0] == 1


def test_the_contract_comes_first_and_what_is_absent_has_its_witness(folder, capsys):
    status, out, _ = check(capsys, "mine.py:Squared", "--only", "monotone,convex,finite")
    assert status == 0
    order = ["The contract", "finite", "Properties", "monotone", "REFUTED: lacks", "convex", "All as expected.", "lacks monotone"]
    places = [out.index(word) for word in order]
    assert places == sorted(places)
    assert "    on PairLogProbs(" in out
    assert "expected dL/dlog pi_w <= 0, got" in out


def test_a_specification(folder, capsys):
    options = ["--spec", "dpo", "--beta", "0.1", "--only", "margin-only", "--format", "json"]
    status, out, _ = check(capsys, "mine.py:dpo", *options)
    assert status == 0
    assert verdicts(out) == {"margin-only": "PROVED", "same-value": "HOLDS", "same-gradient": "HOLDS"}
    status, out, _ = check(capsys, "mine.py:divides", *options)
    assert status == 1
    assert verdicts(out)["same-value"] == "REFUTED"
    assert check(capsys, "mine.py:partial", "--spec", "mine.py:dpo", "--only", "finite")[0] == 1
    assert check(capsys, "mine.py:partial", "--spec", "DPO(beta=0.3)", "--only", "finite")[0] == 0


def test_a_loss_that_cannot_be_evaluated_fails_whatever_is_asked(folder, capsys):
    status, out, _ = check(capsys, "mine.py:fails", "--only", "convex")
    assert status == 1
    assert "the loss cannot be evaluated: on torch it raised RuntimeError: no such luck" in out


def test_nothing_that_applies_is_nothing_run(folder, capsys):
    assert check(capsys, "mine.py:Squared", "--only", "scales-with-beta")[0] == 3


@pytest.mark.parametrize(
    ("form", "reads"),
    [
        ("json", lambda text: len(json.loads(text)["rows"])),
        ("junit", lambda text: len(ET.fromstring(text).findall("testsuite/testcase"))),
        ("markdown", lambda text: text.count("\n| ") - len(("header", "rule"))),
        ("html", lambda text: text.count('<th scope="row">')),
    ],
)
def test_formats_show_every_row_and_the_witness(folder, capsys, form, reads):
    status, out, _ = check(capsys, "mine.py:made", "--only", "finite,monotone", "--format", form)
    assert (status, reads(out)) == (0, 2)
    assert "the loss rises with the margin" in out


def test_list(capsys):
    status, out, _ = check(capsys, "--list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(registry.names())
    _, out, _ = check(capsys, "--list", "--only", "convex", "--format", "json")
    listed = json.loads(out)
    Draft202012Validator(SCHEMA).validate(listed)
    assert [(row["id"], row["kind"]) for row in listed["checks"]] == [("convex", "property")]


DECLARED = ["--only", "finite,monotone,convex", "--has", "monotone,convex"]


def test_a_baseline_accepts_what_is_known_and_nothing_else(folder, capsys):
    status, out, err = check(capsys, "mine.py:Squared", *DECLARED, "--write-baseline", "known.json")
    assert status == 0
    assert "known finding, in known.json" in out
    known = json.loads((folder / "known.json").read_text())
    Draft202012Validator(SCHEMA).validate(known)
    assert (known["subject"], known["known"]) == ("Squared(target=1.0)", ["monotone"])
    status, out, err = check(capsys, "mine.py:Squared", *DECLARED, "--baseline", "known.json")
    assert status == 0
    assert err.splitlines()[-1] == "findings: 1 known, 0 new"
    status, _, err = check(capsys, "mine.py:unstable", *DECLARED, "--baseline", "known.json")
    assert status == 1
    assert err.splitlines()[-1] == "findings: 0 known, 1 new (finite), 1 vanished (monotone): take them out of known.json"
    status, _, err = check(capsys, "mine.py:Squared", "--only", "finite", "--baseline", "known.json")
    assert status == 0
    assert err.splitlines()[-1] == "findings: 0 known, 0 new, 1 not decided in this run (monotone)"


def test_a_report_is_a_baseline_again_and_again(folder, capsys):
    assert check(capsys, "mine.py:Squared", *DECLARED, "-o", "report.json")[0] == 1
    for _ in range(2):
        assert check(capsys, "mine.py:Squared", *DECLARED, "--baseline", "report.json", "-o", "report.json")[0] == 0


@pytest.mark.parametrize("content", ['["monotone"]', '{"known": ["monotone"]}'])
def test_a_small_list_is_a_baseline(folder, capsys, content):
    (folder / "known.json").write_text(content)
    assert check(capsys, "mine.py:Squared", *DECLARED, "--baseline", "known.json")[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"a": 1}', "is neither a JSON report"), ("[1]", "is neither a JSON report"), ('["monotne"]', "no check is called 'monotne'")],
)
def test_what_is_no_baseline_is_refused_before_anything_runs(folder, capsys, content, said):
    (folder / "known.json").write_text(content)
    status, _, err = check(capsys, "mine.py:Squared", "--baseline", "known.json")
    assert status == 2
    assert said in err
    assert "running" not in err


def test_no_baseline_excuses_a_loss_that_cannot_be_evaluated(folder, capsys):
    status, _, err = check(capsys, "mine.py:fails", "--write-baseline", "known.json")
    assert status == 2
    assert "no baseline is written" in err
    (folder / "known.json").write_text('["finite"]')
    assert check(capsys, "mine.py:fails", "--baseline", "known.json")[0] == 1


def test_an_interruption_reports_what_is_done(monkeypatch, capsys):
    from dpo_theory.checks import runner

    def interrupted(*_, **__):
        raise Interrupted(SAMPLE)

    monkeypatch.setattr(runner, "check_loss", interrupted)
    status, out, err = check(capsys, "DPO")
    assert status == 130
    assert out == SAMPLE.to_text()
    assert err == "interrupted\n"


SLOW = """
import sys, time
from dpo_theory.checks import runner
from dpo_theory.cli import main

run_check = runner.run_check

def slow(check, *rest):
    if check.name == "monotone":
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    return run_check(check, *rest)

runner.run_check = slow
sys.exit(main(["check", "DPO", "--only", "finite,monotone,convex"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_ctrl_c():
    command = [sys.executable, "-c", SLOW]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "1 of 3 ran" in out
    assert "INCOMPLETE: 2 not reached." in out
    assert err == "interrupted\n"


def test_every_finding_of_the_library_is_declared(capsys):
    status, out, _ = check(capsys, "DPO", "--format", "json")
    assert status == 0
    assert set(verdicts(out)) == set(registry.names())
    assert all(row["verdict"] != Verdict.UNDECIDED for row in json.loads(out)["rows"])
