"""What every study owes: a plan that can be written down, the same records whichever way it is run, a figure from records alone."""

import inspect
import json
import re

import pytest

from bandits import plots
from bandits.experiments import Study, names, read_records
from bandits.experiments.engine.records import plain
from bandits.experiments.engine.sweep import run_block
from dpo_theory import predictions
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.result import Result, summary
from tests.experiments.ready import small

NAMES = names()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_asks_and_what_is_predicted(name):
    study, prediction = predictions.study(name), predictions.load(name)
    assert isinstance(study, Study)
    assert isinstance(prediction, Prediction)
    assert study.name == prediction.study == name
    assert study.question.endswith("?")
    assert study.measures
    assert "Why:" in prediction.statement
    assert prediction.name
    assert inspect.getdoc(study.measure)
    assert inspect.getdoc(study.draw)


@pytest.mark.parametrize("name", NAMES)
def test_its_claims_exist(name):
    from dpo_theory.claims import registry

    assert set(predictions.load(name).claims) <= set(registry.ids())


@pytest.mark.parametrize("name", NAMES)
def test_its_plan_can_be_written_down(name):
    header = predictions.load(name).plan().header
    assert json.loads(json.dumps(header, allow_nan=False)) == header
    assert header["fingerprint"] == predictions.load(name).plan().header["fingerprint"]


@pytest.mark.parametrize("name", NAMES)
def test_records_on_disk_are_those_in_memory(name):
    plan, records, path = small(name)
    assert read_records(path).rows == records.rows
    first = run_block(plan, 0)
    assert [plain(row) for row in records.rows[: len(first)]] == first, "a block measured again gives the same records"


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_and_the_page_follow_from_the_records(name):
    plan, records, path = small(name)
    read = read_records(path)
    picture = plots.to_svg(plan.study, read)
    assert picture == plots.to_svg(plan.study, records)
    assert "<dc:date>" not in picture
    columns, rows = summary(plan.study, read)
    assert rows
    assert set(columns) <= set(read.names)
    prediction = predictions.load(name)
    page = Result(plan.study, prediction, read, predictions.judge(prediction, read)).to_html()
    assert "<svg" in page
    assert not {"<script", "<link", 'src="http'} & set(re.findall(r'<script|<link|src="http', page))
