"""Certain labels: optima that exist and those that do not, the flow that stands in for them, and its clock."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import load, sweep
from bandits.experiments.methods.descent import flow
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.losses import DPO, IPO
from dpo_theory.predictions.shelf import losses
from tests.experiments.ready import ran

SMALL = {"seeds": 4, "block": 4, "clock": (0.0, 1.0, 10.0), "curve": (0.2, 1.0, 5.0)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("deterministic", **SMALL)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 4


def test_ipo_of_three_answers_is_one_zero_minus_one_over_three_tau():
    _, records, _ = ran("deterministic", **SMALL)
    for row in records.where(kind="optimum", case="even", method="ipo"):
        np.testing.assert_allclose(row["log_ratio"], np.array([1.0, 0.0, -1.0]) / (3 * row["beta"]), atol=1e-10)


def test_dpo_has_no_policy_and_no_number():
    _, records, _ = ran("deterministic", **SMALL)
    dpo = records.where(kind="optimum", method="dpo")
    assert dpo.values("status") == ("no_minimiser",)
    assert dpo.values("reward") == (None,)


def test_the_flow_is_descent_in_small_steps():
    wins = np.zeros((1, 3, 3))
    wins[0][np.triu_indices(3, 1)] = 1 / 3
    at, step = np.zeros(3), 1e-3
    for _ in range(1000):
        gap = at[:, None] - at[None, :]
        pull = wins[0] * (-0.5 / (1 + np.exp(0.5 * gap)))
        at = at - step * (pull.sum(axis=1) - pull.sum(axis=0))
    np.testing.assert_allclose(flow(DPO(0.5), wins, np.array([1.0]))[0, 0], at, atol=1e-4)


def test_evenly_spaced_rewards_stay_on_the_frontier_and_others_do_not():
    _, records, _ = ran("deterministic", **SMALL)
    path = records.where(kind="path", method="dpo", clock=(1.0, 10.0))
    assert path.where(case="even").column("below").max() < 1e-12
    assert path.where(case="random").column("below").min() > 1e-6


def test_a_loss_that_comes_to_rest_is_seen_when_it_stands_for_dpo():
    prediction = predictions.load("deterministic")
    report = predictions.judge(prediction, sweep(prediction.plan(losses={"dpo": losses(["cdpo"])["cdpo"]}, **SMALL)))
    assert "two answers, dpo: u + e^u = 1 + 2 beta^2 t" in {row.name for row in report.failed}


def test_a_method_that_pretends_to_an_optimum_is_seen():
    prediction = predictions.load("deterministic")

    def pretends(problem, data, rng):
        return problem.log_ref

    report = predictions.judge(prediction, sweep(prediction.plan(methods={"dpo": pretends}, **SMALL)))
    assert [row.name for row in report.failed] == ["dpo: no minimiser"]


def test_a_path_without_slope_does_not_move():
    wins = np.zeros((1, 2, 2))
    wins[0, 0, 1] = wins[0, 1, 0] = 0.5
    np.testing.assert_array_equal(flow(IPO(1.0), wins, np.array([0.0, 5.0])), np.zeros((2, 1, 2)))


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("deterministic", **SMALL)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clock": (1.0, 2.0)}, "rise from 0"),
        ({"curve": (0.0, 1.0)}, "expected betas > 0"),
        ({"actions": 2}, "expected 3 or more"),
        ({"bandit": TabularBandit([1.0], [[1.0, 1.0, 0.0]], np.full((1, 3), -np.log(3)), 1.0)}, "have one reward"),
        ({"bandit": TabularBandit([0.5, 0.5], [[0.0, 1, 2], [3, 4, 5]], np.full((2, 3), -np.log(3)), 1.0)}, "has 2 contexts"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("deterministic").plan(**values)
