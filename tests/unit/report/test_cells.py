from hypothesis import given

from dpo_theory.evidence import Report, Verdict
from dpo_theory.report.cells import COLUMNS, cells, clean, findings, flat, summary, verdict, why
from tests.unit.report.reports import ENVIRONMENT, SAMPLE, WITNESS, part, reports, row, words


@given(reports())
def test_every_row_has_one_line_per_column(report):
    for line in map(cells, report.rows):
        assert len(line) == len(COLUMNS)
        assert all(text == flat(text) for text in line)


@given(words)
def test_clean_text_has_no_control_characters_and_cleaning_is_idempotent(text):
    assert all(c in "\n\t" or ord(c) >= 32 for c in clean(text))
    assert clean(clean(text)) == clean(text)
    clean(text).encode("utf-8")


def test_a_verdict_says_whether_it_was_expected():
    assert verdict(row(verdict=Verdict.PROVED)) == "PROVED"
    assert verdict(row(verdict=Verdict.REFUTED, expected="refuted")) == "REFUTED, as expected"
    assert verdict(row(verdict=Verdict.REFUTED, failed=True)) == "REFUTED, NOT AS EXPECTED"
    assert verdict(row(verdict=Verdict.HOLDS, expected="refuted", failed=True)) == "HOLDS, NOT AS EXPECTED"


def test_a_property_is_told_by_what_was_declared():
    assert verdict(row(verdict=Verdict.HOLDS, kind="property", declared="has")) == "HOLDS, as declared"
    assert verdict(row(verdict=Verdict.REFUTED, kind="property", declared="lacks", expected="refuted")) == "REFUTED, as declared"
    assert verdict(row(verdict=Verdict.REFUTED, kind="property", expected=None)) == "REFUTED: lacks"
    assert verdict(row(verdict=Verdict.UNDECIDED, kind="property", declared="has")) == "UNDECIDED"
    assert verdict(row(verdict=Verdict.REFUTED, kind="property", declared="has", failed=True)) == "REFUTED, NOT AS EXPECTED"


def test_a_reason_is_why_or_a_remedy():
    assert why(row(reason="no beta")) == "why: no beta"
    assert why(row(reason="remedy: divide\nby beta")) == "remedy: divide by beta"
    assert why(row()) == ""


def test_instances_are_told_once():
    assert cells(row(instances=3))[3] == "3 instances"
    assert cells(row(instances=1, method="search"))[3] == "search; 1 instance"
    assert cells(row(instances=3, method="certificate: 3 instances"))[3] == "certificate: 3 instances"


def test_findings_are_those_of_the_parts_that_fail():
    failing = part("search", Verdict.REFUTED, failed=True, counterexample=WITNESS)
    edge = part("edge", counterexample=WITNESS, method="without beta > 0")
    found = list(findings(row(verdict=Verdict.REFUTED, failed=True, counterexample=WITNESS, parts=(failing, edge))))
    assert found == [("search: REFUTED", "", WITNESS)]


def test_a_missing_refutation_is_said():
    assert "expected and none was found" in next(findings(row(expected="refuted", failed=True)))[1]


def test_the_summary_counts_what_ran():
    assert "4 of 5 ran in 1.2 s: 1 PROVED, 2 REFUTED, 1 UNDECIDED, 1 SKIPPED." in summary(SAMPLE)
    assert "2 NOT AS EXPECTED: D09, D12." in summary(SAMPLE)
    whole = Report("s", (row(),), of=1, environment=ENVIRONMENT)
    assert summary(whole).endswith("All as expected.")
    undecided = Report("s", (row(), row("D05", Verdict.UNDECIDED)), of=2, environment=ENVIRONMENT)
    assert summary(undecided).endswith("1 UNDECIDED. The others are as expected.")
    partial = Report("s", (row(),), of=3, environment=ENVIRONMENT)
    assert "1 of 3 ran" in summary(partial)
    assert "INCOMPLETE: 2 not reached." in summary(partial)
    assert "All as expected" not in summary(partial)
