"""Methods against their definitions: brute force, sampling, and what a change of the problem must do to them."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import TabularBandit
from bandits.data import Comparisons
from bandits.policies import (
    best_of_n,
    fine_tuning,
    ppo,
    preferred_fine_tuning,
    two_stage_rlhf,
    unlikelihood,
    win_and_loss_law,
)


def bandit(reward=((1.0, 0.0, -1.0),), ref=((0.5, 0.3, 0.2),), beta=0.5):
    with np.errstate(divide="ignore"):
        log_ref = np.log(np.array(ref))
    return TabularBandit(np.full(len(reward), 1 / len(reward)), np.array(reward), log_ref, beta)


def exact_best(reward, ref, n, first):
    """The law in fractions, over all n-tuples of draws."""
    law = [Fraction(0)] * len(ref)
    for draws in product(range(len(ref)), repeat=n):
        top = max(reward[i] for i in draws)
        among = [i for i in draws if reward[i] == top]
        law[min(among) if first else among[0]] += np.prod([ref[i] for i in draws])
    return law


@pytest.mark.parametrize("ties", ["reference", "first"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_best_of_n_is_the_law_over_all_draws(n, ties):
    reward, ref = (2, 0, 2, -1), [Fraction(k, 10) for k in (1, 4, 2, 3)]
    expected = exact_best(reward, ref, n, ties == "first")
    found = np.exp(best_of_n(bandit([[float(r) for r in reward]], [[float(p) for p in ref]]), n, ties=ties))[0]
    np.testing.assert_allclose(found, [float(p) for p in expected], rtol=1e-13)


weights = st.lists(st.integers(1, 9), min_size=2, max_size=5)


@given(weights, st.data(), st.integers(1, 200))
def test_best_of_n_is_a_policy_that_sees_only_the_order_of_rewards(mass, data, n):
    reward = data.draw(st.lists(st.integers(-3, 3), min_size=len(mass), max_size=len(mass)))
    ref = np.array(mass) / sum(mass)
    one, other = (best_of_n(bandit([values], [ref]), n) for values in (np.array(reward, float), np.exp(reward) * 7))
    assert np.exp(one).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.exp(one), np.exp(other), atol=1e-12)


def test_best_of_many_keeps_the_digits_of_small_probabilities():
    found = best_of_n(bandit([[1.0, 0.0]], [[0.5, 0.5]]), 2000)
    assert found[0, 1] == pytest.approx(-2000 * np.log(2), rel=1e-13)
    rare = best_of_n(bandit([[1.0, 0.0]], [[1e-300, 1.0]]), 10)
    assert rare[0, 0] == pytest.approx(np.log(10) - 300 * np.log(10), rel=1e-12)


def test_best_of_n_never_takes_what_the_reference_does_not():
    found = np.exp(best_of_n(bandit([[9.0, 1.0, 0.0]], [[0.0, 0.5, 0.5]]), 2))[0]
    assert found.tolist() == pytest.approx([0, 0.75, 0.25])


@pytest.mark.parametrize(("n", "ties", "message"), [(0, "first", "n is 0"), (1.5, "first", "n is 1.5"), (2, "last", "ties is 'last'")])
def test_best_of_n_refuses(n, ties, message):
    with pytest.raises(ValueError, match=message):
        best_of_n(bandit(), n, ties=ties)


def test_fine_tuning_is_the_frequencies():
    assert np.exp(fine_tuning([[3, 1, 0], [0, 0, 2]])).tolist() == [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("counts", "message"),
    [([1, 2], "shape"), ([[1, -1]], "counts is -1"), ([[1, np.nan]], "counts is nan"), ([[1, 2], [0, 0]], "row 1 is all zero")],
)
def test_fine_tuning_refuses(counts, message):
    with pytest.raises(ValueError, match=message):
        fine_tuning(counts)


@pytest.mark.parametrize("distinct", [True, False])
def test_winner_and_loser_law_by_drawing_pairs(distinct):
    problem, rng, draws = bandit(), np.random.default_rng(0), 200_000
    left, right = rng.choice(3, p=np.exp(problem.log_ref[0]), size=(2, draws))
    if distinct:
        left, right = left[left != right], right[left != right]
    won = rng.random(len(left)) < 1 / (1 + np.exp(problem.reward[0, right] - problem.reward[0, left]))
    counts = np.bincount(np.where(won, left, right), minlength=3)
    win, loss = win_and_loss_law(problem, distinct=distinct)
    z = (counts - len(left) * win[0]) / np.sqrt(len(left) * win[0] * (1 - win[0]))
    assert np.abs(z).max() < 4
    assert win.sum() == pytest.approx(1)
    assert loss.sum() == pytest.approx(1)


def test_winner_and_loser_law_takes_a_design_and_preferences():
    design = np.array([[[0, 1, 0], [1, 0, 0], [0, 0, 0]]], float)
    wins = np.full((1, 3, 3), 0.5)
    wins[0, 0, 1], wins[0, 1, 0] = 0.8, 0.2
    win, loss = win_and_loss_law(bandit(), design=design, preferences=wins)
    assert win.tolist() == [[0.8, 0.2, 0.0]]
    assert loss.tolist() == [[0.2, 0.8, 0.0]]


def test_a_context_without_pairs_is_refused():
    with pytest.raises(ValueError, match="context 0 compares no pair"):
        win_and_loss_law(bandit([[1.0, 0.0]], [[1.0, 0.0]]))


def test_preferred_fine_tuning_of_equal_rewards_is_the_reference():
    found = np.exp(preferred_fine_tuning(bandit([[2.0, 2.0, 2.0]]), distinct=False))
    np.testing.assert_allclose(found, [[0.5, 0.3, 0.2]], rtol=1e-14)


@given(st.floats(0, 0.2))
def test_no_policy_beats_unlikelihood(alpha):
    problem = bandit()
    win, loss = win_and_loss_law(problem)
    best = unlikelihood(problem, alpha)
    pull = (win - alpha * loss)[0]
    rng = np.random.default_rng(0)
    others = np.log(rng.dirichlet(np.ones(3), size=50))
    assert (others @ pull <= best[0] @ pull + 1e-12).all()


def test_unlikelihood_without_rejected_answers_is_preferred_fine_tuning():
    np.testing.assert_allclose(unlikelihood(bandit(), 0.0), preferred_fine_tuning(bandit()), rtol=1e-14)


@pytest.mark.parametrize("alpha", [0.25, 0.9])
def test_unlikelihood_has_no_maximum_beyond_the_least_wins_per_loss(alpha):
    with pytest.raises(ValueError, match=r"wins only 0\.2126.* times as often"):
        unlikelihood(bandit(), alpha)


@pytest.mark.parametrize("alpha", [-0.1, 1.0, np.nan])
def test_unlikelihood_refuses_alpha(alpha):
    with pytest.raises(ValueError, match="alpha is"):
        unlikelihood(bandit(), alpha)


def test_two_stage_rlhf_on_the_population_is_the_optimum_of_the_true_reward():
    problem = bandit()
    tilted = np.exp(problem.log_ref + problem.reward / problem.beta)
    np.testing.assert_allclose(np.exp(two_stage_rlhf(problem)), tilted / tilted.sum(), atol=1e-10)


def test_two_stage_rlhf_on_seven_wins_to_three():
    problem = bandit([[0.0, 0.0]], [[0.5, 0.5]])
    found = np.exp(two_stage_rlhf(problem, Comparisons([0, 0], [0, 1], [1, 0], [7.0, 3.0])))
    assert found[0, 0] == pytest.approx(49 / 58, rel=1e-9)  # odds (7/3)^(1/beta)


def test_two_stage_rlhf_refuses_a_reward_without_greatest_likelihood():
    with pytest.raises(ValueError, match="no_minimiser"):
        two_stage_rlhf(bandit(), Comparisons([0, 0], [0, 1], [1, 2]))


def test_two_stage_rlhf_needs_support():
    with pytest.raises(ValueError, match="Drop the answers without support"):
        two_stage_rlhf(bandit([[1.0, 0.0]], [[1.0, 0.0]]))


def test_ppo_climbs_towards_the_optimum_and_not_beyond():
    problem = bandit()
    best = problem.beta * np.log(np.exp(problem.log_ref + problem.reward / problem.beta).sum())
    values = []
    ppo(problem, rounds=2000, on_round=lambda _, log_policy: values.append(problem.value(log_policy)))
    assert (np.diff(values) > -1e-12).all()
    assert max(values) <= best + 1e-12
    assert best - values[-1] < 1e-3
    assert values[0] > problem.value(problem.log_ref)


def test_ppo_moves_no_further_than_its_clip_in_the_first_step_beyond_it():
    wide, narrow = (ppo(bandit(), rounds=1, epochs=200, step=0.05, clip=clip) for clip in (0.9, 0.1))
    assert np.exp(narrow[0, 0]) < 0.5 * 1.1 + 0.02
    assert np.exp(wide[0, 0]) > np.exp(narrow[0, 0])


@pytest.mark.parametrize(("changes", "message"), [({"clip": 0}, "clip is 0"), ({"clip": 1.2}, "clip is 1.2"), ({"step": -1}, "step is -1")])
def test_ppo_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        ppo(bandit(), **changes)


def test_ppo_needs_support():
    with pytest.raises(ValueError, match="needs support"):
        ppo(bandit([[1.0, 0.0]], [[1.0, 0.0]]))
