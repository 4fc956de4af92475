"""`dpo-theory check-logps`: targets, options, formats, exit codes."""

import json

import pytest

from dpo_theory.cli import main

SOURCE = """
import torch

print("imported")


def right(logits, labels, average=False):
    print("called")
    kept = labels[:, 1:] != -100
    logps = logits[:, :-1].double().log_softmax(-1).gather(-1, labels[:, 1:].clamp(min=0).unsqueeze(-1)).squeeze(-1)
    total = torch.where(kept, logps, 0.0).sum(-1)
    return total / kept.sum(-1).clamp(min=1) if average else total


def unshifted(logits, input_ids, attention_mask, completion_mask):
    return (logits.log_softmax(-1).gather(-1, input_ids.unsqueeze(-1)).squeeze(-1) * completion_mask).sum(-1)


number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "train_step.py"
    path.write_text(SOURCE)
    return str(path)


def test_a_right_function_passes(file, capsys):
    assert main(["check-logps", f"{file}:right"]) == 0
    out = capsys.readouterr().out
    assert "All as expected." in out
    assert "imported" not in out
    assert "called" not in out
    assert "the sum over the tokens" in out


def test_a_wrong_one_is_told_why(file, capsys):
    assert main(["check-logps", f"{file}:unshifted"]) == 1
    out = capsys.readouterr().out
    assert "because:  position t is scored with its own logits: shift logits by one" in out
    assert "logits = torch.tensor(" in out


def test_options_and_declarations(file, capsys):
    assert main(["check-logps", f"{file}:right", "--param", "average=True", "--normalise", "mean"]) == 0
    assert main(["check-logps", f"{file}:right", "--param", "average=True", "--normalise", "sum"]) == 1
    assert "this is the mean" in capsys.readouterr().out
    assert main(["check-logps", f"{file}:unshifted", "--only", "gradient,sign"]) == 0


def test_json(file, capsys):
    assert main(["check-logps", f"{file}:right", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["passed"]) == ("dpo-theory/report", True)
    assert main(["check-logps", "--list", "--format", "json"]) == 0
    assert "eos-counted" in [check["id"] for check in json.loads(capsys.readouterr().out)["checks"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no TARGET"),
        (["{file}:rihgt"], "Did you mean"),
        (["{file}:number"], "not callable"),
        (["{file}:right", "--only", "shfit"], "there is no check 'shfit'"),
        (["--list", "--format", "html"], "--list has no format"),
        (["{file}:right", "-o", "nowhere/report.html"], "there is no folder"),
    ],
)
def test_bad_input_is_one_message(arguments, message, file, capsys):
    assert main(["check-logps", *(word.format(file=file) for word in arguments)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
