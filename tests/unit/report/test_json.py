import json

import pytest
from hypothesis import given

from dpo_theory.report.json import dump
from tests.unit.report.reports import SAMPLE, reports


def refuse(constant):
    raise AssertionError(constant)


@given(reports())
def test_json_is_strict_and_says_everything(report):
    text = report.to_json()
    assert text.isascii()
    back = json.loads(text, parse_constant=refuse)
    assert [row["id"] for row in back["rows"]] == [row.id for row in report.rows]
    assert (back["ran"], back["of"], back["passed"]) == (report.ran, report.asked, report.passed)


def test_numbers_that_json_lacks_are_strings():
    assert json.loads(SAMPLE.to_json())["rows"][2]["residual"] == "inf"


def test_nan_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        dump({"residual": float("nan")})
