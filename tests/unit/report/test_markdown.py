import re

from hypothesis import given
from markdown_it import MarkdownIt

from dpo_theory.evidence import Counterexample, Report, Verdict
from dpo_theory.report import markdown
from dpo_theory.report.cells import COLUMNS
from tests.unit.report.reports import ENVIRONMENT, SAMPLE, reports, row, words


@given(reports())
def test_the_table_has_one_line_per_row_and_one_count_of_columns(report):
    lines = markdown.table(report.rows).split("\n") if report.rows else []
    assert len(lines) == (len(report.rows) + 2 if report.rows else 0)
    for line in lines:
        bars = re.sub(r"\\.", "", line).count("|")
        assert bars == len(COLUMNS) + 1


@given(words)
def test_escaped_text_is_shown_as_it_is(text):
    shown = MarkdownIt("commonmark").parseInline(markdown.escape("x" + text))[0]
    assert "".join(token.content for token in shown.children) == markdown.flat("x" + text)


def test_failures_follow_in_a_block():
    told = markdown.render(SAMPLE)
    assert "**REFUTED, NOT AS EXPECTED**" in told
    assert "4 of 5 ran" in told
    assert "    print(math.nan)" in told
    for line in SAMPLE.rows:
        assert len(re.findall(rf"^\| {line.id} \|", told, re.M)) == 1


def test_backticks_do_not_close_the_block():
    found = Counterexample("p", "e", "g", reproduce="````\n</pre>")
    report = Report("s", (row(verdict=Verdict.REFUTED, failed=True, counterexample=found),), environment=ENVIRONMENT)
    assert [token.type for token in MarkdownIt().parse(markdown.render(report))].count("fence") == 1
    assert "\n`````text\n" in markdown.render(report)
