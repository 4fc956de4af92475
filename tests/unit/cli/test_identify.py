import json

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.cli import main
from dpo_theory.report.schema import SCHEMA

SOURCE = """
import numpy as np

def mine(pairs, beta=0.1):
    return 2 * np.logaddexp(0, -beta * pairs.margin)

def odd(pairs):
    return pairs.margin**4
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own_losses.py"
    path.write_text(SOURCE)
    return path


def test_a_known_loss_is_status_0(file, capsys):
    assert main(["identify", f"{file}:mine", "--param", "beta=0.3"]) == 0
    assert "2 * DPO(beta=0.3)" in capsys.readouterr().out


def test_an_unknown_loss_is_status_1_with_a_witness(file, capsys):
    assert main(["identify", f"{file}:odd", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(told)
    assert told["name"] == ""
    assert told["counterexample"]["got"] != told["counterexample"]["expected"]


def test_bad_input_is_one_message(file, capsys):
    assert main(["identify", f"{file}:nothing"]) == 2
    assert "has no 'nothing'" in capsys.readouterr().err
