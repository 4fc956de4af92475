"""Preferences in circles: two projections, Borda's order, and the equilibria that no design moves."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import load, sweep
from bandits.experiments.intransitive import ranks
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import methods
from tests.experiments.ready import ran


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("intransitive")
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 4


def test_one_cycle_has_four_orders_and_known_strengths():
    _, records, _ = ran("intransitive")
    dpo = records.where(kind="policy", case="cycle", method="dpo")
    orders = {row["design"]: row["ranks"] for row in dpo}
    assert orders == {"all alike": [0, 1, 1], "12 often": [0, 2, 1], "13 often": [2, 1, 0], "23 often": [1, 0, 2]}
    np.testing.assert_allclose(dpo.rows[0]["strengths"], [3 / 7, 2 / 7, 2 / 7], atol=1e-12)
    np.testing.assert_allclose(dpo.rows[0]["policy"], [3 / 7, 2 / 7, 2 / 7], atol=1e-12)


def test_ipo_solves_its_laplacian():
    _, records, _ = ran("intransitive")
    row = records.where(kind="policy", case="cycle", method="ipo", design="13 often").rows[0]
    beats = np.array([[0.5, 0.9, 0.3], [0.1, 0.5, 0.8], [0.7, 0.2, 0.5]])
    weights = np.array([[0.0, 1, 10], [1, 0, 1], [10, 1, 0]])
    laplacian = np.diag(weights.sum(axis=1)) - weights
    log_ratio = np.linalg.lstsq(laplacian, (weights * (2 * beats - 1) / 2).sum(axis=1), rcond=None)[0]
    np.testing.assert_allclose(row["policy"], np.exp(log_ratio) / np.exp(log_ratio).sum(), atol=1e-12)


def test_the_game_of_the_cycle_is_played_with_one_third_two_and_four_ninths():
    _, records, _ = ran("intransitive")
    for row in records.where(kind="policy", case="cycle", method="nash, no kl"):
        np.testing.assert_allclose(row["policy"], [1 / 3, 2 / 9, 4 / 9], atol=1e-12)


def test_ranks_count_those_above():
    assert ranks(np.array([0.5, 0.5 + 1e-12, 0.0])) == [0, 0, 2]


def test_a_projection_with_other_weights_is_seen():
    def unweighted(problem, data, rng):
        return methods(["dpo"])["dpo"](problem, data._replace(weight=np.ones(len(data.chosen))), rng)

    prediction = predictions.load("intransitive")
    failed = {row.name for row in predictions.judge(prediction, sweep(prediction.plan(methods={"dpo": unweighted}, seeds=2))).failed}
    assert "dpo: the projection's equations" in failed
    assert "the cycle: four designs, four orders" in failed


def test_another_cycle_is_judged_without_the_known_numbers():
    prediction = predictions.load("intransitive")
    plan = prediction.plan(seeds=4, cycle=(0.7, 0.4, 0.6))
    report = predictions.judge(prediction, sweep(plan))
    assert not [row for row in report if "(3, 2, 2)" in row.name]
    assert not [row for row in report.failed if row.kind == "prediction"]


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("intransitive")
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cycle": (0.9, 0.3)}, "expected P\\(1 beats 2\\)"),
        ({"circle": (0.8, 0.2, 1.0)}, "between 0 and 1"),
        ({"often": 0.0}, "often is 0.0, expected a weight > 0"),
        ({"actions": 2}, "two answers form no circle"),
        ({"bandit": TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)}, "draws its own preferences"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("intransitive").plan(**values)
