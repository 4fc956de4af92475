from html.parser import HTMLParser

from hypothesis import given

from dpo_theory.evidence import Counterexample, Report, Verdict
from dpo_theory.report import html
from dpo_theory.report.cells import COLUMNS
from tests.unit.report.reports import ENVIRONMENT, SAMPLE, part, reports, row

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Which elements there are, whether they nest, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.attributes = [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@given(reports())
def test_pages_nest_and_show_each_row_once(report):
    page = Page(report.to_html())
    assert page.tags.count("tr") == len(report.rows) + 1
    assert page.tags.count("td") == len(report.rows) * (len(COLUMNS) - 1)
    assert page.tags.count("th") == len(report.rows) + len(COLUMNS)
    assert f"{report.ran} of {report.asked} ran" in page.text
    assert report.to_html().isascii()


def test_a_page_loads_and_runs_nothing():
    page = Page(SAMPLE.to_html())
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "onclick"} & {name for name, _ in page.attributes}
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")  # anchors of its own rows


def test_text_is_escaped():
    found = Counterexample("<script>alert(1)</script>", "&", '"', "'")
    bad = row('<b id="x">', name="<i>", reason="</table>", verdict=Verdict.REFUTED, failed=True, counterexample=found)
    page = Page(Report("<script>", (bad,), environment=ENVIRONMENT).to_html())
    assert not {"script", "b", "i"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "</table>" in page.text


def test_a_table_can_be_read_aloud():
    page = Page(SAMPLE.to_html())
    assert "caption" in page.tags
    assert [value for name, value in page.attributes if name == "scope"] == ["col"] * len(COLUMNS) + ["row"] * len(SAMPLE)
    assert ("lang", "en") in page.attributes
    assert "NOT AS EXPECTED" in page.text  # not by colour alone


def test_parts_and_counterexamples_open_on_demand_and_failures_are_open():
    parts = (part("proof", Verdict.PROVED, method="5 steps"), part("edge", method="without beta > 0"))
    page = Page(html.fragment(Report("s", (row(parts=parts), *SAMPLE.rows), environment=ENVIRONMENT)))
    assert page.tags.count("details") == page.tags.count("summary") == len(SAMPLE) + 1
    assert page.attributes.count(("open", "")) + page.attributes.count(("open", None)) == len(SAMPLE.failed)
    assert "edge: HOLDS, without beta > 0" in page.text


def test_a_notebook_shows_the_fragment():
    assert SAMPLE._repr_html_() == html.fragment(SAMPLE)
    assert "<html" not in html.fragment(SAMPLE)
