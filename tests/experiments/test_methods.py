"""Methods: known laws, known optima, visible optimisation error, and what is said where there is no policy."""

import numpy as np
import pytest

from bandits import Comparisons, TabularBandit, maximise_value
from bandits.experiments import Answer, Minimises, answers, random_bandit, sweep
from bandits.experiments.engine.problems import draw_counts, join_data, join_problems, split_data, split_rows
from bandits.experiments.methods.exact import SFT, BestOfN, PreferredFT, RejectionSampling, TwoStageRLHF, Unlikelihood
from bandits.experiments.methods.nash import Nash, exploitability, nash_policy
from bandits.experiments.methods.online import Online
from bandits.experiments.methods.sampled_ppo import PPO
from dpo_theory import DPO, IPO, optimal, predictions
from dpo_theory.predictions import shelf

BANDIT = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), 0.5)
BEST = optimal.optimal_log_policy(BANDIT.reward, BANDIT.log_ref, 0.5)
ONE_SIDED = Comparisons([0, 0], [0, 0], [1, 2])


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", ["dpo", "rlhf", "two-stage rlhf"])
def test_optima_are_the_formula_s(name):
    (method,) = shelf.methods([name]).values()
    np.testing.assert_allclose(answers(method, [BANDIT])[0].log_policy, BEST, atol=1e-9)


def test_best_of_n_is_its_law():
    (found,) = answers(BestOfN(2), [BANDIT])
    np.testing.assert_allclose(np.exp(found.log_policy), [[0.75, 0.21, 0.04]])


def test_rejection_sampling_tends_to_the_optimum_and_one_try_is_a_mixture():
    np.testing.assert_allclose(RejectionSampling(10_000)(BANDIT, None, None), BEST, atol=1e-12)
    rate = (np.exp(BANDIT.log_ref) * np.exp((BANDIT.reward - 1) / 0.5)).sum()
    mixed = rate * np.exp(BEST) + (1 - rate) * np.exp(BANDIT.log_ref)
    np.testing.assert_allclose(np.exp(RejectionSampling(1)(BANDIT, None, None)), mixed, atol=1e-15)


def test_fine_tuning_counts_what_was_chosen():
    data = Comparisons([0, 0, 0], [0, 0, 1], [1, 2, 2], [3, 1, 4])
    np.testing.assert_allclose(np.exp(PreferredFT()(BANDIT, data, None)), [[0.5, 0.5, 0.0]])
    assert Unlikelihood(0.5)(BANDIT, data, None) == Answer(None, "no_maximiser")
    np.testing.assert_allclose(np.exp(Unlikelihood(0.1)(BANDIT, Comparisons([0, 0], [0, 1], [1, 0]), None)), [[0.5, 0.5, 0.0]])
    two = TabularBandit([0.5, 0.5], np.eye(2), np.log(np.full((2, 2), 0.5)), 1.0)
    assert PreferredFT()(two, Comparisons([0], [0], [1]), None) == Answer(None, "no_data")
    assert SFT(50)(BANDIT, data, rng()).shape == (1, 3)


@pytest.mark.parametrize("method", [Minimises(DPO), TwoStageRLHF()])
def test_no_estimate_is_a_status_and_no_policy(method):
    problems = [BANDIT, BANDIT]
    whole = draw_counts(BANDIT, 5000, rng())
    found = answers(method, problems, [ONE_SIDED, whole])
    assert found[0] == Answer(None, "no_minimiser")
    assert found[1].status == "optimal"
    assert (Minimises(IPO)(BANDIT, ONE_SIDED, None)).status == "optimal"


def test_packed_and_single_answers_are_the_same():
    problems = [random_bandit(rng(seed), beta=0.5, contexts=2, actions=4) for seed in range(5)]
    data = [draw_counts(problem, 2000, rng(seed)) for seed, problem in enumerate(problems)]
    packed = answers(Minimises(DPO), problems, data)
    single = answers(Minimises(DPO, packs=False), problems, data)
    for one, other in zip(packed, single, strict=True):
        np.testing.assert_allclose(one.log_policy, other.log_policy, atol=1e-10)
    again = split_data(problems, join_data(problems, data))
    for one, other in zip(again, data, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))
    assert [len(rows) for rows in split_rows(problems, join_problems(problems).reward)] == [2] * 5


def test_ppo_ends_near_the_optimum_and_not_on_it():
    best = BANDIT.value(maximise_value(BANDIT).log_policy)
    gaps = {rounds: best - BANDIT.value(PPO(rounds=rounds)(BANDIT, None, rng())) for rounds in (5, 150)}
    assert 0 < gaps[150] < gaps[5] / 5
    assert gaps[150] < 0.01
    hard = BANDIT.replace(beta=0.05)
    assert maximise_value(hard).value < np.inf
    assert hard.value(maximise_value(hard).log_policy) - hard.value(PPO()(hard, None, rng())) > 1e-6, "its error is visible"


def test_ppo_on_a_learned_reward_follows_the_data():
    data = draw_counts(BANDIT, 10**7, rng())
    found = PPO(learned=True)(BANDIT, data, rng())
    assert np.abs(np.exp(found.log_policy) - np.exp(BEST)).max() < 0.05
    assert np.isnan(PPO(learned=True)(BANDIT, ONE_SIDED, rng()).log_policy).all()


def test_online_rounds_need_comparisons_and_lead_to_the_optimum():
    found = Online(DPO, n=10**7)(BANDIT, None, rng())
    np.testing.assert_allclose(np.exp(found.log_policy), np.exp(BEST), atol=5e-3)
    with pytest.raises(ValueError, match="2 comparisons for 3 rounds"):
        Online(DPO, n=2)


def test_nash_policies_cannot_be_exploited():
    cycle = 0.5 + 0.4 * np.array([[[0, -1, 1], [1, 0, -1], [-1, 1, 0.0]]])
    for beta in (0.0, 0.1, 1.0):
        policy = nash_policy(cycle, BANDIT.log_ref, beta)
        assert abs(exploitability(cycle, policy, BANDIT.log_ref, beta)[0]) < 1e-9
    assert exploitability(cycle, BANDIT.log_ref, BANDIT.log_ref, 0.0)[0] > 0.01
    np.testing.assert_allclose(np.exp(Nash(regularised=False)(BANDIT, None, None)), [[1.0, 0.0, 0.0]], atol=1e-12)
    with pytest.raises(ValueError, match="beta is -1"):
        nash_policy(cycle, BANDIT.log_ref, -1)


def test_what_is_no_policy_is_refused_by_name():
    def broken(problem, data, rng):
        return problem.reward

    with pytest.raises(ValueError, match=r"what broken returned row 0 sums to 4.08616 in probability"):
        answers(broken, [BANDIT])
    with pytest.raises(ValueError, match="shapes do not match"):
        answers(lambda problem, data, rng: np.log([[0.5, 0.5]]), [BANDIT])
    assert answers(lambda problem, data, rng: None, [BANDIT])[0] == Answer(None, "none")
    with pytest.raises(ValueError, match="share beta"):
        join_problems([BANDIT, BANDIT.replace(beta=1.0)])
    with pytest.raises(ValueError, match="1 of 2 problems have data"):
        join_data([BANDIT, BANDIT], [None, ONE_SIDED])
    with pytest.raises(ValueError, match="there is no method 'dop' on the shelf"):
        shelf.methods(["dop"])


def test_an_empty_design_is_refused():
    with pytest.raises(ValueError, match="the design of context 0 is empty"):
        draw_counts(BANDIT, 10, rng(), design=np.zeros((1, 3, 3)))


def test_counts_have_the_law_of_sampled_pairs():
    data = draw_counts(BANDIT, 10**6, rng())
    first = (np.asarray(data.chosen) == 0) & (np.asarray(data.rejected) == 2)
    share = data.weight[first].sum() / 1e6
    expected = 1 / 3 / (1 + np.exp(-2.0))
    assert abs(share - expected) < 5 * np.sqrt(expected / 1e6)
    reference = draw_counts(BANDIT, 10**6, rng(), draw="reference")
    assert reference.weight[np.asarray(reference.chosen) == 2].sum() < data.weight[np.asarray(data.chosen) == 2].sum()


def test_a_new_method_is_ten_lines():
    def sharpened(problem, data, rng):
        logits = 2.0 * problem.log_ref
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    frontier = predictions.load("frontier")
    records = sweep(frontier.plan(methods={"sharpened reference": sharpened}, seeds=3, betas=(1.0,)))
    below = records.where(method="sharpened reference", n=0).column("shortfall")
    assert predictions.judge(frontier, records).passed
    assert (below > 0.01).all()
