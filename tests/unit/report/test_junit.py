from xml.etree import ElementTree as ET

from hypothesis import given

from dpo_theory.evidence import Report
from tests.unit.report.reports import ALL_WELL, ENVIRONMENT, SAMPLE, reports, row


@given(reports())
def test_every_row_is_one_case_and_the_counts_agree(report):
    suite = ET.fromstring(report.to_junit()).find("testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == len(report.rows) + (report.asked > len(report.rows)) == int(suite.get("tests"))
    assert len(suite.findall("testcase/failure")) == len(report.failed) == int(suite.get("failures"))
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped"))
    assert len(suite.findall("testcase/error")) == int(suite.get("errors"))
    told = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert told["ran"] == f"{report.ran} of {report.asked} ran"
    assert told["seed"] == str(report.seed)
    assert told["python"] == "3.11"


def test_a_failure_carries_its_counterexample():
    suite = ET.fromstring(SAMPLE.to_junit()).find("testsuite")
    failed, undecided = suite.findall("testcase/failure")
    assert failed.get("message").startswith("REFUTED, NOT AS EXPECTED")
    assert "print(math.nan)" in failed.text
    assert "D12" not in failed.text
    assert "the rules leave x - y" in undecided.get("message")
    assert suite.find("testcase/skipped").get("message") == "python-flint is not installed"


def test_an_interrupted_run_is_not_green():
    partial = Report("s", (row(),), of=3, environment=ENVIRONMENT)
    assert "1 of 3 ran" in ET.fromstring(partial.to_junit()).find("testsuite/testcase/error").get("message")
    assert ET.fromstring(ALL_WELL.to_junit()).find("testsuite/testcase/error") is None


def test_control_characters_are_replaced():
    report = Report("s\x00", (row(name="a\x1b[31m\x00\ud800b"),), of=1, environment=ENVIRONMENT)
    assert "a\ufffd[31m\ufffd\ufffdb" in ET.fromstring(report.to_junit()).find("testsuite/testcase").get("name")
