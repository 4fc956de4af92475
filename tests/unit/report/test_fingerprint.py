"""A fingerprint is part of every rendering of a full report of a loss."""

import json

import pytest
from jsonschema import Draft202012Validator

from dpo_theory.checks.runner import check_loss
from dpo_theory.losses import DPO
from dpo_theory.report import fingerprint
from dpo_theory.report.schema import SCHEMA


@pytest.fixture(scope="module")
def report():
    return check_loss(DPO(beta=0.5))


@pytest.mark.parametrize("shown", ["__str__", "to_markdown", "to_html", "_repr_html_"])
def test_it_is_shown(report, shown):
    told = getattr(report, shown)()
    assert "what the loss aims at" in told
    assert "1.69459572077" in told  # 2 log(7/3)


def test_json_follows_the_schema(report):
    told = json.loads(report.to_json())
    Draft202012Validator(SCHEMA).validate(told)
    assert told["fingerprint"]["link"] == "X/(X + 1), X = exp(m/2)"


def test_it_is_fitted_to_a_terminal(report):
    assert max(map(len, fingerprint.text(report.fingerprint, 60).splitlines())) <= 60


def test_chosen_checks_have_none():
    found = check_loss(DPO(beta=0.5), only=["convex"])
    assert found.fingerprint is None
    assert json.loads(found.to_json())["fingerprint"] is None
