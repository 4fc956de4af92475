"""`check trl:...`, `check 'openrlhf:*'`, `new-test`: as they are typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpo_theory import adapters
from dpo_theory.checks.runner import check_loss
from dpo_theory.cli import main
from tests.adapters.conftest import needed

pytestmark = pytest.mark.filterwarnings("ignore")

LOSS = """\
import torch.nn.functional as F


def mine(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta=0.1):
    return -F.logsigmoid(beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps))
"""


def test_options_in_brackets_and_by_param(trl_losses, capsys):
    assert main(["check", "trl:robust(label_smoothing=0.1)", "--only", "margin-only,finite"]) == 0
    assert "trl:robust(label_smoothing=0.1)" in capsys.readouterr().out
    assert main(["check", "trl:exo_pair", "--param", "label_smoothing=0.1", "--only", "margin-only"]) == 0
    assert main(["check", "trl:exo_pair"]) == 2
    assert "Label smoothing must be greater" in capsys.readouterr().err


def test_an_option_that_is_ignored_is_found_with_code_that_runs(trl_losses, capsys):
    report = check_loss(adapters.trl("hinge"), only=["parameters-matter"], seconds=120)
    found = report["parameters-matter"].counterexample
    assert "label_smoothing" in found.because
    assert "dpo_theory" not in found.reproduce
    exec(found.reproduce, {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_a_value_that_is_not_finite_is_shown_by_the_library_alone(trl_losses, capsys):
    assert main(["check", "trl:discopop", "--only", "finite", "--format", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    exec(row["counterexample"]["reproduce"], {})
    assert "nan" in capsys.readouterr().out


def test_all_of_openrlhf_in_every_format(capsys):
    needed("openrlhf")
    assert main(["check", "openrlhf:*", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {loss["loss"] for loss in document["losses"]} == {"openrlhf:PairWiseLoss", "openrlhf:LogExpLoss", "openrlhf:DPOLoss(beta=0.1)"}
    for form, start in (("text", "openrlhf "), ("markdown", "## openrlhf"), ("html", "<!DOCTYPE html>")):
        assert main(["check", "openrlhf:*", "--only", "finite", "--format", form]) == 1
        said = capsys.readouterr().out
        assert said.lower().startswith(start.lower())
        assert "LogExpLoss" in said


@pytest.mark.parametrize(
    "arguments", [["openrlhf:*", "--beta", "0.1"], ["losses.py:*"], ["openrlhf:"], ["openrlhf:DPOLoss(", "--only", "finite"]]
)
def test_what_cannot_be_meant_is_refused(arguments, capsys):
    needed("openrlhf")
    assert main(["check", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") <= 2


def test_new_test_writes_a_file_that_runs_and_never_overwrites(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "losses.py").write_text(LOSS)
    (tmp_path / "tests").mkdir()
    arguments = ["new-test", "losses.py:mine", "--param", "beta=0.2", "--spec", "DPO(beta=0.2)", "--out", "tests/test_mine.py"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "is not overwritten" in capsys.readouterr().err
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_mine.py",
        "-k",
        "margin-only or same-value or finite",
    ]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ran.stdout


def test_new_test_of_an_installed_loss_skips_where_it_is_missing(tmp_path, monkeypatch):
    needed("openrlhf")
    monkeypatch.chdir(tmp_path)
    assert main(["new-test", "openrlhf:DPOLoss(beta=0.2)"]) == 0
    text = (tmp_path / "test_openrlhf_dpoloss.py").read_text()
    assert "adapters.openrlhf('DPOLoss', beta=0.2)" in text
    assert "except adapters.MissingLibrary" in text
    compile(text, "test_openrlhf_dpoloss.py", "exec")
