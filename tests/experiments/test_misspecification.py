"""Misspecified classes: the projection under the design, its reversal, and what the best policy of the class would be."""

import numpy as np
import pytest

from bandits import TabularBandit, minimise_loss, plots
from bandits.experiments import load, sweep
from bandits.experiments.engine.problems import random_bandit
from bandits.experiments.misspecification import fit_each
from bandits.features import maximise_value_linear, minimise_loss_linear
from dpo_theory import predictions
from dpo_theory.evidence import Verdict
from dpo_theory.losses import DPO
from tests.experiments.ready import ran

SMALL = {"seeds": 6, "block": 6, "weights": (0.1, 1 / 3, 0.7, 0.9)}


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("misspecification", **SMALL)
    assert report.passed, str(report)
    assert sum(row.verdict is Verdict.REFUTED for row in report) == 3


def test_three_answers_on_a_line_have_known_numbers():
    _, records, _ = ran("misspecification", **SMALL)
    dpo = records.where(kind="line", method="dpo")
    assert dpo.where(w=1 / 3).column("theta") == pytest.approx([1.05711381])
    assert dpo.where(w=0.9).column("theta") == pytest.approx([-0.47540937])
    assert dpo.where(w=0.9).column("reward_gain")[0] == pytest.approx(-4.6703747 + 3)
    best = records.where(kind="line", method="best linear policy")
    assert best.column("theta") == pytest.approx(4 * [1.70455526])
    assert best.column("gain") == pytest.approx(4 * [3 - 0.67851144])


def test_one_logit_for_three_prompts_has_known_numbers():
    _, records, _ = ran("misspecification", **SMALL)
    told = {row["method"]: row["theta"] for row in records.where(kind="prompts")}
    assert told["best linear policy"] == pytest.approx(2.0)
    assert told["dpo"] == pytest.approx(-0.352, abs=5e-4)


def test_a_design_may_leave_dpo_at_the_reference_where_rlhf_moves():
    half = 1 / (1 + np.exp(-np.array([5.304550949, 1.304550949, -4.0]))) - 0.5
    assert 0.5 * half[0] + 2.5 * half[1] + 2 * half[2] == pytest.approx(0.0, abs=1e-9)
    features = [[[1.0], [0.5], [-1.5]]]
    for beta, local, value in ((1.0, -0.5514, -0.8191), (5.0, None, -0.89289)):
        bandit = TabularBandit([1.0], [[1.304550949, -4.0, 0.0]], np.full((1, 3), -np.log(3)), beta)
        assert abs(minimise_loss_linear(bandit, DPO(beta), features).theta[0]) < 1e-8
        best = maximise_value_linear(bandit, features)
        maxima = [(float(best.theta[0]), best.value), *((float(theta[0]), found) for theta, found in best.stationary)]
        assert any(found == pytest.approx(value, abs=1e-4) for _, found in maxima), maxima
        if local is not None:
            assert any(theta == pytest.approx(local, abs=1e-4) for theta, _ in maxima)
            assert best.theta[0] > 10, "at beta = 1 that is a local maximum: far out, where answer 1 has all the mass, there is more"
            assert best.value > bandit.reward[0, 0] - np.log(3)


def test_problems_fitted_together_are_fitted_apart():
    rng = np.random.default_rng(1)
    problems = [random_bandit(rng, beta=0.5, actions=4) for _ in range(3)]
    features = rng.normal(size=(3, 4, 2))
    designs = rng.uniform(0.1, 1.0, size=(3, 4, 4))
    designs = (designs + designs.transpose(0, 2, 1)) * (1 - np.eye(4))
    together = fit_each(DPO(0.5), problems, features, designs)
    apart = [
        minimise_loss_linear(problem, DPO(0.5), phi[None], design=design[None]).theta
        for problem, phi, design in zip(problems, features, designs, strict=True)
    ]
    np.testing.assert_allclose(together, apart, atol=1e-9)


def test_a_class_that_holds_every_policy_misses_nothing():
    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)
    theta = fit_each(DPO(0.5), [bandit], np.eye(3)[None], np.ones((1, 3, 3)) - np.eye(3))[0]
    logits = bandit.log_ref[0] + theta
    found = minimise_loss(bandit, DPO(0.5)).log_policy[0]
    np.testing.assert_allclose(logits - np.logaddexp.reduce(logits), found, atol=1e-10)


def test_a_loss_that_is_not_dpo_is_seen():
    prediction = predictions.load("misspecification")
    plan = prediction.plan(losses={"dpo": lambda beta: DPO(2 * beta)}, **SMALL)
    failed = {row.name for row in predictions.judge(prediction, sweep(plan)).failed}
    assert "dpo on the line: theta of the weighted projection" in failed
    assert "random problems, dpo: the projection's equations" in failed


def test_the_figure_has_the_same_bytes_twice():
    study, records, _ = ran("misspecification", **SMALL)
    assert plots.to_svg(study, records) == plots.to_svg(study, records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": (0.5, 1.0)}, "expected numbers between 0 and 1"),
        ({"reward": (0.0, 1.0)}, "expected three numbers"),
        ({"bandit": TabularBandit([0.5, 0.5], np.eye(4)[:2], np.log(np.full((2, 4), 0.25)), 1.0)}, "has 2 contexts, expected one"),
    ],
)
def test_bad_settings_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        load("misspecification").plan(**values)
