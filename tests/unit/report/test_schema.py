import copy
import dataclasses
import json

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from dpo_theory.evidence import Counterexample, Evidence
from dpo_theory.report.schema import SCHEMA
from tests.unit.report.reports import SAMPLE, reports

VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@given(reports())
def test_every_report_is_valid(report):
    VALIDATOR.validate(json.loads(report.to_json()))


@pytest.mark.parametrize(("name", "record"), [("evidence", Evidence), ("counterexample", Counterexample)])
def test_the_schema_names_the_fields_of_the_records(name, record):
    assert list(SCHEMA["$defs"][name]["properties"]) == [field.name for field in dataclasses.fields(record)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("schema"),
        lambda report: report.update(schema="another"),
        lambda report: report.update(schema_version=99),
        lambda report: report.pop("of"),
        lambda report: report.update(extra=1),
        lambda report: report["rows"][0].update(verdict="TRUE"),
        lambda report: report["rows"][0].update(residual="small"),
        lambda report: report["rows"][0].pop("failed"),
        lambda report: report["rows"][1]["counterexample"].pop("got"),
        lambda report: report["rows"][0]["parts"].append({}),
        lambda report: report["counts"].update(LOOKS_FINE=1),
    ],
)
def test_what_is_not_a_report_is_refused(spoil):
    report = SAMPLE.to_dict()
    assert VALIDATOR.is_valid(report)
    spoiled = copy.deepcopy(report)
    spoil(spoiled)
    assert not VALIDATOR.is_valid(spoiled)
