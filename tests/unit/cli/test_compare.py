import json
import sys

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.cli import main
from dpo_theory.report.schema import SCHEMA


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two_losses.py"
    path.write_text("import numpy as np\ndef mine(pairs, beta=0.1):\n    return np.logaddexp(0, -beta * pairs.margin)\n")
    return path


def test_identical_is_status_0(file, capsys):
    assert main(["compare", f"{file}:mine", "DPO(beta=0.1)"]) == 0
    assert "relation  identical" in capsys.readouterr().out


def test_another_beta_is_status_1_and_json_follows_the_schema(file, capsys):
    assert main(["compare", f"{file}:mine", "DPO", "--param-b", "beta=0.5", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(told)
    assert told["relation"] == "a different convention"


def test_another_interpreter_gives_the_same_numbers(file, capsys):
    assert main(["compare", f"{file}:mine", "DPO(beta=0.1)", "--python-a", sys.executable]) == 0
    assert "equal values and gradients" in capsys.readouterr().out


@pytest.mark.parametrize(("python", "said"), [("/no/such/python", "cannot be started"), ("/bin/false", "stopped")])
def test_an_interpreter_that_does_not_answer_is_one_message(file, capsys, python, said):
    assert main(["compare", f"{file}:mine", "DPO", "--python-a", python]) == 2
    assert said in capsys.readouterr().err


def test_bad_input_in_another_interpreter_is_one_message(file, capsys):
    assert main(["compare", f"{file}:nothing", "DPO", "--python-a", sys.executable]) == 2
    assert "has no 'nothing'" in capsys.readouterr().err
