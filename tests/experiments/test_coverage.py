"""Coverage: groups of answers, what the loss fixes in them, and where training leaves the rest."""

import numpy as np
import pytest

from bandits import TabularBandit, plots
from bandits.experiments import load, sweep
from bandits.experiments.engine.population import population
from bandits.experiments.methods.descent import descend, slope_of
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.losses import DPO
from dpo_theory.predictions.shelf import methods
from tests.experiments.ready import ran

BANDIT = TabularBandit([1.0], [[2.0, 1.0, 0.0, -1.0]], np.log([[0.1, 0.2, 0.3, 0.4]]), 1.0)


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("coverage", seeds=8, block=8)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_three_answers_of_four_by_hand():
    plan = load("coverage").plan(methods=methods(("dpo",)), losses={"dpo": DPO}, seeds=1, bandit=BANDIT, beta=1.0, cover="best missing")
    records = sweep(plan)
    (kept, trained) = (np.exp(row["log_policy"]) for row in records.where(kind="policy"))
    seen = np.array([0.2 * np.e, 0.3, 0.4 / np.e])
    np.testing.assert_allclose(kept, [0.1, *(0.9 * seen / seen.sum())], atol=1e-10)
    np.testing.assert_allclose(trained, [0.1, *seen] / (0.1 + seen.sum()), atol=1e-9)
    assert records.where(kind="problem").rows[0]["groups"] == [0, 1, 1, 1]


def test_descent_ends_where_the_sum_of_log_ratios_is_conserved():
    wins = np.zeros((1, 4, 4))
    wins[0, 0, 1], wins[0, 1, 0], wins[0, 2, 3], wins[0, 3, 2] = 0.4, 0.1, 0.3, 0.2
    found = descend(DPO(0.5), wins)[0]
    np.testing.assert_allclose(found, [np.log(4), -np.log(4), np.log(1.5), -np.log(1.5)], atol=1e-9)


def test_slopes_are_those_of_the_loss():
    rng = np.random.default_rng(0)
    wins = rng.dirichlet(np.ones(12)).reshape(1, 12)
    table = np.zeros((1, 4, 4))
    table[0][~np.eye(4, dtype=bool)] = wins[0]
    at = rng.normal(size=(1, 4))

    def mean(h):
        return float((table[0] * np.logaddexp(0, -0.7 * (h[:, None] - h[None, :]))).sum())

    steps = 1e-6 * np.eye(4)
    numeric = [(mean(at[0] + step) - mean(at[0] - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(slope_of(DPO(0.7), table)(at)[0], numeric, atol=1e-9)


def test_a_loss_without_minimiser_does_not_come_to_rest():
    with pytest.raises(ValueError, match="Is there a minimiser"):
        descend(DPO(1.0), np.array([[[0.0, 1.0], [0.0, 0.0]]]), max_steps=5)


def test_a_population_lists_every_pair_once():
    design = np.ones((1, 3, 3)) - np.eye(3)
    beats = np.array([[[0.5, 0.9, 0.3], [0.1, 0.5, 0.8], [0.7, 0.2, 0.5]]])
    told = population(design, beats)
    assert told.chosen.tolist() == [0, 0, 1]
    assert told.rejected.tolist() == [1, 2, 2]
    assert told.target.tolist() == [0.9, 0.3, 0.8]


def test_a_method_that_moves_the_masses_is_seen():
    def moved(problem, data, rng):
        logits = problem.log_ref + problem.reward / problem.beta
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    prediction = predictions.load("coverage")
    report = predictions.judge(prediction, sweep(prediction.plan(methods={"dpo": moved}, seeds=3, block=3)))
    assert "dpo: each group has the reference's mass" in [row.name for row in report.failed]


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("coverage", seeds=8, block=8)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cover": "nearly all"}, "cover is 'nearly all', expected one of every pair"),
        ({"actions": 3}, "has 3 actions, expected 4 or more"),
        ({"shares": (0.5, 1.0)}, "expected numbers between 0 and 1"),
        ({"bandit": TabularBandit([0.5, 0.5], np.eye(4)[:2], np.log(np.full((2, 4), 0.25)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("coverage").plan(**values)
