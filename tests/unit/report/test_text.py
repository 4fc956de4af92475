import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.evidence import Report, Verdict
from dpo_theory.report import text
from tests.unit.report.reports import ALL_WELL, ENVIRONMENT, SAMPLE, WITNESS, reports, row


@pytest.mark.parametrize("width", [None, 40, 80, 120, 200])
def test_every_row_is_shown_once_at_every_width(width):
    table = text.table(SAMPLE.rows, width)
    for line in SAMPLE.rows:
        assert len(re.findall(rf"^(FAIL)? *{line.id}\b", table, re.M)) == 1
        assert re.sub(r"\s+", " ", table).count(f"statement of {line.id}") == 1
    assert "4 of 5 ran" in text.render(SAMPLE, width)


@given(reports(), st.integers(40, 200))
def test_a_table_fits_the_terminal(report, width):
    assert all(len(line) <= width for line in text.table(report.rows, width).split("\n"))


@given(reports())
def test_off_a_terminal_nothing_is_cut(report):
    lines = text.table(report.rows).split("\n") if report.rows else []
    assert len(lines) == (len(report.rows) + sum(row.reason != "" for row in report.rows) + 1 if report.rows else 0)


def test_off_a_terminal_each_row_is_one_line_however_long():
    long = row(name="a long statement " * 30, method="a long method " * 30)
    line = text.table([long]).splitlines()[1]
    assert "a long statement " * 29 in line
    assert "a long method " * 29 in line


def test_a_failure_stands_out_without_colour():
    lines = text.table(SAMPLE.rows).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("FAIL")] == ["D09", "D12"]
    assert "REFUTED, as expected" in next(line for line in lines if " E1 " in line)


def test_failures_are_told_in_full():
    told = text.failures(SAMPLE)
    for said in ("FAIL  D09", "x = y", "eq. 4", "beta = 1 | r = <0, 1>", "a & b", "`pi_ref` is forgotten", "print(math.nan)"):
        assert said in told
    assert "the rules leave x - y" in told
    assert "E1" not in told


def test_no_failure_no_word():
    assert text.failures(ALL_WELL) == ""
    assert "FAIL" not in text.render(ALL_WELL)


def test_a_report_prints_itself():
    assert str(SAMPLE) == text.render(SAMPLE).rstrip("\n")
    with pytest.raises(AssertionError, match="the rules leave x - y"):
        SAMPLE.raise_if_failed()
    assert ALL_WELL.raise_if_failed() is ALL_WELL


def check(id, verdict, kind, **fields):
    return row(id, verdict, kind=kind, **{"expected": None, **fields})


def test_checks_are_two_tables_and_what_is_absent_has_its_witness():
    rows = (
        check("convex", Verdict.REFUTED, "property", counterexample=WITNESS),
        check("finite", Verdict.HOLDS, "contract"),
        check("monotone", Verdict.REFUTED, "property", counterexample=WITNESS, declared="lacks", expected="refuted"),
    )
    told = text.render(Report("loss", rows, environment=ENVIRONMENT))
    places = [told.index(word) for word in ("The contract", "finite", "Properties", "convex", "monotone", "3 of 3 ran", "lacks convex")]
    assert places == sorted(places)
    assert "    expected a & b, got nan: `pi_ref` is forgotten\n    on beta = 1 | r = <0, 1>" in told
    assert "lacks monotone" not in told
    heads = [line for line in told.splitlines() if line.startswith("      id")]
    assert len(heads) == 2
    assert heads[0] == heads[1]


def test_a_remedy_follows_the_counterexample():
    found = {"expected": "holds", "failed": True, "counterexample": WITNESS, "reason": "remedy: use logsigmoid"}
    failing = check("finite", Verdict.REFUTED, "contract", **found)
    lines = [line.strip() for line in text.failures(Report("loss", (failing,), environment=ENVIRONMENT)).splitlines()]
    assert lines[-1] == "remedy: use logsigmoid"
    assert "because:  `pi_ref` is forgotten" in lines


def test_nothing_to_show():
    assert text.table([]) == ""
