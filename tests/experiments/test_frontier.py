"""The reward-KL frontier: who stands on it, who below, and what is refused."""

import numpy as np
import pytest

from bandits import TabularBandit, maximise_value
from bandits.experiments import load, sweep
from bandits.experiments.engine.measures import best_values, reward_and_kl, shortfalls
from dpo_theory import optimal, predictions
from dpo_theory.evidence import Verdict
from dpo_theory.predictions.shelf import methods
from tests.experiments.ready import ran

BANDIT = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)


def test_every_prediction_holds_and_every_planted_one_is_refuted():
    _, _, report = ran("frontier")
    assert report.passed, str(report)
    assert report["frontier-wrong.1"].verdict is Verdict.REFUTED


def test_dpo_and_rlhf_stand_on_the_frontier_to_a_billionth():
    _, records, _ = ran("frontier")
    for name in ("rlhf", "two-stage rlhf", "dpo"):
        mine = records.where(kind="policy", method=name, n=0)
        assert len(mine) == 80
        assert np.abs(mine.column("shortfall")).max() < 1e-9
        np.testing.assert_allclose(mine.column("slope"), mine.column("beta"), rtol=1e-2)


def test_nothing_stands_above_it():
    _, records, _ = ran("frontier")
    below = records.where(kind="policy").column("shortfall")
    assert np.nanmin(below) > -1e-9
    assert np.nanmax(records.where(kind="policy").column("slack")) < 1e-9


def test_best_of_two_is_as_far_below_as_the_paper_s_example():
    from bandits.policies import best_of_n

    (found,) = shortfalls([BANDIT], [best_of_n(BANDIT, 2)])
    mean, kl = reward_and_kl(BANDIT, best_of_n(BANDIT, 2))
    betas = np.exp(np.linspace(-3, 3, 200_001))
    log_z = np.logaddexp.reduce(BANDIT.log_ref[0] + BANDIT.reward[0] / betas[:, None], axis=1)
    assert mean == pytest.approx(0.71)
    assert found.distance == pytest.approx((betas * (kl + log_z)).min() - mean, abs=1e-9)
    assert found.distance > 1e-3


def test_optima_at_many_betas_are_the_formula_s():
    betas = np.array([0.05, 0.5, 5.0])
    best = best_values([BANDIT] * 3, betas)
    expected = [beta * optimal.log_partition(BANDIT.reward, BANDIT.log_ref, beta)[0] for beta in betas]
    np.testing.assert_allclose(best.value, expected, atol=1e-12)
    ends = [optimal.optimal_log_policy(BANDIT.reward, BANDIT.log_ref, beta) for beta in betas]
    np.testing.assert_allclose(best.kl, [optimal.kl_divergence(end, BANDIT.log_ref)[0] for end in ends], atol=1e-9)


def test_contexts_share_one_beta():
    bandit = TabularBandit([0.3, 0.7], [[1.0, 0.0], [0.0, 3.0]], np.log([[0.5, 0.5], [0.8, 0.2]]), 0.7)
    (found,) = shortfalls([bandit], [maximise_value(bandit).log_policy])
    assert found.beta == pytest.approx(0.7, rel=1e-4)
    assert abs(found.distance) < 1e-12


def test_the_reference_is_an_end_of_the_frontier():
    (found,) = shortfalls([BANDIT], [BANDIT.log_ref])
    assert 0 <= found.distance < 1e-6


def test_a_method_that_is_wrong_is_seen():
    def doubled(problem, data, rng):
        return maximise_value(problem.replace(reward=problem.reward * np.array([1, 1, 1, 1, -1.0])))

    prediction = predictions.load("frontier")
    few = methods(("best of 4",)) | {"dpo": doubled}
    plan = load("frontier").plan(methods=few, seeds=3, block=3, n=(0,), betas=(0.5,), curve=(0.3, 1.0))
    report = predictions.judge(prediction, sweep(plan))
    assert report.failed[0].name == "dpo, told the population, stands on the frontier"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": (0.0,)}, "betas is 0.0, expected a finite number > 0"),
        ({"actions": 0}, "actions is 0, expected a whole number >= 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"n": ()}, "the axis n has no value"),
        ({"n": (1, 1)}, "a value twice"),
        ({"temperature": 1.0}, "has no setting 'temperature'. Its settings are: n, betas"),
        ({"betas": ("hot",)}, "expected numbers like"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(values, message):
    with pytest.raises(ValueError, match=message):
        load("frontier").plan(**values)


def test_one_action_and_a_reference_with_zeros_are_refused():
    one = TabularBandit([1.0], [[1.0]], [[0.0]], 1.0)
    with pytest.raises(ValueError, match="one action in each context"):
        load("frontier").plan(bandit=one)
    with np.errstate(divide="ignore"):
        zeros = TabularBandit([1.0], [[1.0, 0.0]], np.log([[1.0, 0.0]]), 1.0)
    with pytest.raises(ValueError, match="gives action 1 of context 0 no probability"):
        load("frontier").plan(bandit=zeros)
    with pytest.raises(ValueError, match="actions is 1, expected 2 or more"):
        sweep(load("frontier").plan(actions=1, seeds=1))
