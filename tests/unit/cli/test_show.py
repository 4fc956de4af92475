import json

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.cli import main
from dpo_theory.report.schema import SCHEMA
from tests.unit.report.reports import ALL_WELL


def test_show_verifies_one_claim_and_shows_it(theory, capsys):
    theory.report = ALL_WELL
    assert main(["show", "EQ4", "--seed", "3"]) == 0
    assert theory.asked == [(("D04",), 3)]
    assert capsys.readouterr().out.startswith("D04: statement of D04\n\n    x = y\n")


def test_the_exit_status_is_that_of_the_evidence(theory):
    assert main(["show", "D04"]) == 1


@pytest.mark.parametrize(("argv", "said"), [(["D04x"], "Did you mean D04"), (["D04", "-o", "d04.xml"], "suffix '.xml'")])
def test_bad_input_is_one_message(theory, argv, said, capsys):
    assert main(["show", *argv]) == 2
    assert said in capsys.readouterr().err
    assert theory.asked == []


def test_a_derivation_as_latex(tmp_path):
    target = tmp_path / "d04.tex"
    assert main(["show", "eq4", "-o", str(target)]) == 0
    told = target.read_text()
    assert told.count(r"\begin{align*}") == 1
    assert told.count(r"\tag*{") == told.count(r" &= ") == told.count("\\\\\n") + 1


def test_the_theory_itself(capsys):
    assert main(["show", "D04", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(shown)
    assert len(shown["steps"]) >= 3
    assert [row["id"] for row in shown["report"]["rows"]] == ["D04"]
