"""Fisher information against brute force, known numbers, and fits that carry their own Hessian."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Rankings, TabularBandit, inference, maximise_value, minimise_loss, sample
from bandits.data import Comparisons, Ties
from bandits.inference import difference_errors, pair_information, ranking_information, reward_covariance, tie_information
from bandits.ranking import ranking_strengths
from bandits.ties import davidson_strengths, rao_kupper_strengths, tie_probabilities

REWARDS = st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=2, max_size=4)
BASEBALL = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=float,
)


def by_outcomes(law, at, step=1e-5):
    """Fisher information from a law over outcomes, by central differences of its square roots: 4 sum (d sqrt p)(d sqrt p)^T."""
    columns = [(np.sqrt(law(at + step * e)) - np.sqrt(law(at - step * e))) / (2 * step) for e in np.eye(len(at))]
    return 4 * np.array(columns) @ np.array(columns).T


def ranking_law(reward, top):
    law = {}
    for order in permutations(range(len(reward))):
        score = np.array(reward)[list(order)]
        chance = np.prod([np.exp(score[k] - np.logaddexp.reduce(score[k:])) for k in range(len(order))])
        law[order[:top]] = law.get(order[:top], 0.0) + chance
    return np.array([law[key] for key in sorted(law)])


def population(reward, nu, model):
    """Every pair once, and twice: its wins both ways and its ties as weights."""
    i, j = np.triu_indices(len(reward), 1)
    win, loss, tie = tie_probabilities(np.subtract(reward[i], reward[j]), nu, model=model).T
    none = np.zeros(len(i), int)
    wins = Comparisons(np.tile(none, 2), np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([win, loss]))
    return wins, Ties(none, i, j, tie)


def test_three_equal_items():
    ranked, paired = ranking_information(np.zeros(3)), pair_information(np.zeros(3), np.ones((3, 3)))
    np.testing.assert_allclose(np.diag(ranked), 7 / 18, rtol=1e-15)
    np.testing.assert_allclose(ranked[np.triu_indices(3, 1)], -7 / 36, rtol=1e-15)
    assert np.trace(ranked) == pytest.approx(7 / 6, rel=1e-15)
    assert np.trace(paired) == 1.5


@given(REWARDS, st.integers(1, 4))
def test_rankings_against_the_law_of_all_orders(reward, top):
    top = min(top, len(reward))
    expected = by_outcomes(lambda at: ranking_law(at, top), np.array(reward))
    np.testing.assert_allclose(ranking_information(reward, top=top), expected, atol=1e-8)


@given(REWARDS)
def test_a_ranking_tells_less_than_its_pairs_and_more_the_more_is_seen(reward):
    a = len(reward)
    paired = pair_information(reward, np.ones((a, a)))
    steps = [ranking_information(reward, top=top) for top in range(1, a)] + [paired]
    for less, more in pairwise(steps):
        assert np.linalg.eigvalsh(more - less).min() > -1e-12


@given(REWARDS, st.floats(0.1, 5), st.sampled_from(["davidson", "rao-kupper"]))
def test_ties_against_the_law_of_outcomes(reward, nu, model):
    nu, reward = nu + (model == "rao-kupper"), np.array(reward[:2])
    at = np.array([*reward, np.log(nu) if model == "davidson" else np.log(nu**2 - 1)])

    def law(x):
        return tie_probabilities(x[0] - x[1], np.exp(x[2]) if model == "davidson" else np.sqrt(1 + np.exp(x[2])), model=model)

    found = tie_information(reward, nu, np.ones((2, 2)), model=model)
    np.testing.assert_allclose(found, by_outcomes(law, at), atol=1e-8)


@pytest.mark.parametrize(("model", "fit"), [("davidson", davidson_strengths), ("rao-kupper", rao_kupper_strengths)])
def test_ties_are_the_curvature_of_the_fit_to_the_population(model, fit):
    reward, nu = np.array([1.0, 0.2, -1.2]), 1.7
    rest = fit(*population(reward, nu, model), 3)
    information = tie_information(reward, nu, np.ones((3, 3)), model=model)
    np.testing.assert_allclose(reward_covariance(information, nuisance=1), rest.covariance, rtol=1e-9)


def test_rankings_are_the_curvature_of_the_fit_to_the_population():
    reward = np.array([1.0, 0.0, -1.0])
    orders = np.array(list(permutations(range(3))))
    chances = [np.exp(reward[list(o)][:2] - [np.logaddexp.reduce(reward[list(o)][k:]) for k in (0, 1)]).prod() for o in orders]
    rest = ranking_strengths([Rankings(np.zeros(6, int), orders, chances)], 3)
    np.testing.assert_allclose(reward_covariance(ranking_information(reward)), rest.covariance, rtol=1e-9)


@pytest.mark.parametrize("top", [None, 1])
def test_information_in_rankings_is_the_curvature_of_their_likelihood(top):
    rng = np.random.default_rng(0)
    blocks = [Rankings(np.zeros(40, int), np.argsort(rng.random((40, 4)), axis=1)[:, :k], rng.random(40)) for k in (4, 2)]
    rest = ranking_strengths(blocks, 4, top=top)
    np.testing.assert_allclose(reward_covariance(ranking_information(rest.at, blocks, top=top)), rest.covariance, rtol=1e-8, atol=1e-12)


def test_information_in_all_orders_is_what_one_ranking_is_expected_to_carry():
    reward, orders = np.array([[0.5, 0.0, -1.0], [0.0, 0.0, 2.0]]), np.array(list(permutations(range(3))))
    chances = [law_of(orders, at) for at in reward]
    data = Rankings(np.repeat([0, 1], 6), np.tile(orders, (2, 1)), np.concatenate(chances))
    np.testing.assert_allclose(ranking_information(reward, data), ranking_information(reward), atol=1e-14)
    with pytest.raises(ValueError, match="expected Rankings"):
        ranking_information(reward, orders)
    with pytest.raises(ValueError, match="top is 0"):
        ranking_information(reward, data, top=0)


def law_of(orders, reward):
    return np.array([np.exp(sum(reward[o[k]] - np.logaddexp.reduce(reward[o[k:]]) for k in range(len(o)))) for o in orders])


def test_errors_of_rankings_are_the_scatter_of_their_estimates():
    rng, truth = np.random.default_rng(1), np.array([0.5, 0.0, -0.5])
    found = []
    for _ in range(150):
        order = np.argsort(-(truth + rng.gumbel(size=(100, 3))), axis=1)
        at = ranking_strengths([Rankings(np.zeros(100, int), order)], 3).at
        found.append(at[0] - at[2])
    error = difference_errors(100 * ranking_information(truth))[0, 2]
    assert np.std(found) == pytest.approx(error, rel=0.2)


def test_standard_errors_of_the_baseball_season():
    chosen, rejected = np.nonzero(BASEBALL)
    data = Comparisons(np.zeros(len(chosen), int), chosen, rejected, BASEBALL[chosen, rejected])
    flat = TabularBandit([1.0], np.zeros((1, 7)), np.full((1, 7), -np.log(7)), beta=1.0)
    reward = minimise_loss(flat, lambda pairs: np.logaddexp(0.0, -pairs.margin), data).log_policy[0]
    errors = difference_errors(pair_information(reward, BASEBALL + BASEBALL.T))[:6, 6]
    np.testing.assert_allclose(reward[:6] - reward[6], [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839], atol=1e-4)
    printed = [0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319]  # by `dpo-theory fit --example baseball`
    np.testing.assert_allclose(errors, printed, atol=1e-4)


@given(st.integers(0, 10**6))
def test_covariance_is_the_pseudo_inverse_and_weak_links_are_not_lost(seed):
    rng = np.random.default_rng(seed)
    counts = np.triu(rng.uniform(0.5, 2, (4, 4)), 1)
    information = pair_information(rng.normal(size=4), counts + counts.T)
    np.testing.assert_allclose(reward_covariance(information), np.linalg.pinv(information), atol=1e-9)
    weak = np.zeros((3, 3))
    weak[0, 1] = weak[1, 0] = 1.0
    weak[1, 2] = weak[2, 1] = 1e-8
    errors = difference_errors(pair_information(np.zeros(3), weak))
    assert errors[1, 2] == pytest.approx(2e4, rel=1e-6)
    assert errors[0, 1] == pytest.approx(2.0)


def test_contexts_in_one_call_and_what_is_not_identified():
    counts = np.zeros((2, 3, 3))
    counts[:, [0, 1], [1, 0]] = 4.0
    counts[1, [1, 2], [2, 1]] = 1.0
    errors = difference_errors(pair_information(np.zeros((2, 3)), counts))
    assert errors.shape == (2, 3, 3)
    assert errors[:, 0, 1] == pytest.approx(1.0)
    assert np.isnan(errors[0, 0, 2])
    assert errors[1, 0, 2] == pytest.approx(np.sqrt(5))


def test_the_regret_of_the_reference_instance_and_its_simulation():
    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    limit = inference.asymptotic_regret(bandit)
    best, n, rng = maximise_value(bandit), 4000, np.random.default_rng(0)
    regrets = []
    for _ in range(60):
        found = minimise_loss(bandit, lambda pairs: np.logaddexp(0.0, -0.5 * pairs.margin), sample.pairs(bandit, n, rng))
        regrets.append(n * (best.value - bandit.value(found.log_policy)))
    error = np.std(regrets) / np.sqrt(len(regrets))
    assert abs(np.mean(regrets) - limit) < 4 * error
    assert error < 0.2 * limit


def test_actions_off_the_support_carry_nothing():
    full = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    log_ref = np.array([[*full.log_ref[0], -np.inf]])
    wider = TabularBandit([1.0], [[1.0, 0.0, -1.0, -np.inf]], log_ref, beta=0.5)
    found = inference.design_information(wider)
    assert (found[0, 3] == 0).all()
    np.testing.assert_allclose(found[:, :3, :3], inference.design_information(full), rtol=1e-15)
    assert inference.asymptotic_regret(wider) == pytest.approx(inference.asymptotic_regret(full), rel=1e-14)


def test_regret_without_identification_is_infinite_and_contexts_add_up():
    bandit = TabularBandit([0.3, 0.7], np.zeros((2, 2)), np.log(np.full((2, 2), 0.5)), beta=1.0)
    assert inference.asymptotic_regret(bandit) == pytest.approx(1.0)
    bandit = TabularBandit([1.0], np.zeros((1, 3)), np.full((1, 3), -np.log(3)), beta=1.0)
    design = np.zeros((1, 3, 3))
    design[0, 0, 1] = design[0, 1, 0] = 0.5
    assert inference.asymptotic_regret(bandit, design=design) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_information([0.0, -np.inf], np.ones((2, 2))), "expected finite"),
        (lambda: pair_information([0.0, 1.0], np.ones((3, 3))), "counts has shape"),
        (lambda: pair_information([0.0, 1.0], [[0, 1.0], [2.0, 0]]), "not symmetric"),
        (lambda: ranking_information(np.zeros(15)), "15 actions"),
        (lambda: ranking_information(np.zeros(3), top=4), "top is 4"),
        (lambda: tie_information([0.0, 1.0], 0.0, np.ones((2, 2))), "no tie occurs"),
        (lambda: tie_information([0.0, 1.0], 0.5, np.ones((2, 2)), model="rao-kupper"), "nu is 0.5"),
        (lambda: tie_information([0.0, 1.0], 1.0, np.ones((2, 2)), model="elo"), "model is 'elo'"),
        (lambda: reward_covariance(np.ones((2, 3))), "information has shape"),
        (lambda: reward_covariance([[1.0, 2.0], [0.0, 1.0]]), "finite and symmetric"),
        (lambda: reward_covariance(np.zeros((3, 3)), nuisance=1), "no information"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
