"""Over-optimisation: the proxy's path, gold's slope along it, and where it turns."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import load, sweep
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import methods
from tests.experiments.ready import ran

SMALL = {"seeds": 30, "block": 30, "rates": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0), "betas": (0.5,), "error": (1.0,)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("over_optimisation", **SMALL)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 4


def test_normal_answers_turn_at_one_over_kappa():
    _, records, _ = ran("over_optimisation", **SMALL)
    (turn,) = records.where(kind="turn", case="gaussian")
    assert turn["rate"] == pytest.approx(2.0, rel=1e-8)
    assert turn["gold"] == pytest.approx(2.0 - 0.25 * (1 + 4.0), rel=1e-8)


def test_a_proxy_without_error_only_rises():
    bandit = TabularBandit([1.0], [[0.0, 1.0, -1.0]], np.full((1, 3), -np.log(3)), 1.0)
    plan = load("over_optimisation").plan(seeds=1, bandit=bandit, error=0.0, **{"rates": SMALL["rates"], "betas": (1.0,)})
    (turn,) = sweep(plan).where(kind="turn", case="random")
    assert turn["how"] == "rises"


def test_each_end_of_the_path_is_told_apart():
    _, records, _ = ran("over_optimisation", **SMALL)
    turns = records.where(kind="turn", case="random")
    path = records.where(kind="path", case="random")
    assert set(turns.values("how")) <= {"rises", "turns", "falls"}
    for row in turns:
        gold = path.where(seed=row["seed"]).column("gold")
        top = gold.max()
        if row["how"] == "rises":
            assert row["rate"] is None
            assert gold[-1] > top - 1e-6
        elif row["how"] == "falls":
            assert gold[0] > top - 1e-6
        else:
            assert row["gold"] >= top - 1e-12


def test_the_slope_is_the_covariance_by_hand():
    _, records, _ = ran("over_optimisation", **SMALL)
    problem = records.where(kind="problem", seed=3).rows[0]
    proxy, gold, log_ref = (np.array(problem[name]) for name in ("proxy", "gold", "log_ref"))
    weight = np.exp(log_ref + 2.0 * proxy)
    policy = weight / weight.sum()
    row = records.where(kind="path", case="random", seed=3, rate=2.0).rows[0]
    expected = policy @ (gold * proxy) - (policy @ gold) * (policy @ proxy)
    assert row["slope"] == pytest.approx(expected, abs=1e-7)


def test_a_method_that_stops_short_of_the_proxy_is_seen():
    def half(problem, data, rng):
        return methods(["rlhf"])["rlhf"](problem.replace(reward=problem.reward / 2), data, rng)

    prediction = predictions.load("over_optimisation")
    report = predictions.judge(prediction, sweep(prediction.plan(methods={"dpo": half}, **SMALL)))
    assert [row.name for row in report.failed] == ["dpo on the proxy's labels has the path's gold"]


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("over_optimisation", **SMALL)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rates": (0.1, 1.0, 2.0)}, "rise from 0"),
        ({"gaussian_rates": (0.0, 2.0, 1.0)}, "rise from 0"),
        ({"error": (-1.0,)}, "expected a standard deviation >= 0"),
        ({"kappa": 0.0}, "else gold never turns"),
        ({"grid": 5}, "101 points or more"),
        ({"bandit": TabularBandit([0.5, 0.5], np.eye(4)[:2], np.log(np.full((2, 4), 0.25)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("over_optimisation").plan(**values)
