"""Davidson's model: two roads, known answers, existence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.data import Comparisons, Ties
from bandits.strengths import descend_strengths
from bandits.ties import (
    davidson_log_ratios,
    davidson_recession,
    davidson_strengths,
    rao_kupper_strengths,
    tie_likelihood,
    tie_probabilities,
)


def win(pairs):
    chosen, rejected, weight = (np.array(column) for column in zip(*pairs, strict=True))
    return Comparisons(np.zeros(len(chosen), int), chosen, rejected, weight.astype(float))


def tie(pairs):
    left, right, weight = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (np.zeros(0, int),) * 3
    return Ties(np.zeros(len(left), int), left, right, weight.astype(float))


def test_two_items_have_a_closed_form():
    rest = davidson_strengths(win([(0, 1, 9.0), (1, 0, 4.0)]), tie([(0, 1, 3.0)]), 2)
    assert rest.at[0] - rest.at[1] == pytest.approx(np.log(9 / 4))
    assert np.exp(rest.at[2]) == pytest.approx(3 / np.sqrt(9 * 4))


def test_the_population_returns_strengths_and_nu():
    truth, nu = np.array([1.0, 0.2, -1.2]), 0.7
    wins, ties = [], []
    for i in range(3):
        for j in range(i + 1, 3):
            odds = np.exp(truth[i]), np.exp(truth[j]), nu * np.exp((truth[i] + truth[j]) / 2)
            wins += [(i, j, odds[0] / sum(odds)), (j, i, odds[1] / sum(odds))]
            ties.append((i, j, odds[2] / sum(odds)))
    rest = davidson_strengths(win(wins), tie(ties), 3)
    np.testing.assert_allclose(rest.at, [*truth, np.log(nu)], atol=1e-11)
    log_ref = np.log([0.6, 0.3, 0.1])
    policy, found = davidson_log_ratios(win(wins), tie(ties), log_ref, np.zeros(3, int), beta=0.5)
    score = np.exp(log_ref + truth / 0.5)
    np.testing.assert_allclose(np.exp(policy), score / score.sum(), atol=1e-11)
    assert found.at[-1] == pytest.approx(np.log(nu))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)).filter(lambda p: p[0] != p[1]), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)).filter(lambda p: p[0] < p[1]), max_size=4),
)
def test_the_reason_is_empty_exactly_when_the_likelihood_has_a_maximum(wins, ties):
    wins, ties = win([(*p, 1.0) for p in wins]), tie([(*p, 1.0) for p in ties])
    rows = [
        np.array([(d := np.eye(4)[i]) - np.eye(4)[j], d - (d + np.eye(4)[j]) / 2 - np.eye(4)[3]])
        for i, j in zip(wins.chosen, wins.rejected, strict=True)
    ]
    for i, j in zip(ties.left, ties.right, strict=True):
        level = (np.eye(4)[i] + np.eye(4)[j]) / 2 + np.eye(4)[3]
        rows.append(np.array([level - np.eye(4)[i], level - np.eye(4)[j]]))
    cone = np.concatenate(rows)
    from scipy.optimize import linprog

    best = linprog(-cone.sum(axis=0), A_ub=-cone, b_ub=np.zeros(len(cone)), bounds=(-1, 1))
    assert (davidson_recession(wins, ties, 3) == "") == (best.fun > -1e-9)


def test_no_estimate_no_number():
    with pytest.raises(ValueError, match="there is no tie"):
        davidson_strengths(win([(0, 1, 1.0), (1, 0, 1.0)]), tie([]), 2)
    with pytest.raises(ValueError, match="never lose"):
        davidson_strengths(win([(0, 1, 1.0)]), tie([]), 2)
    with pytest.raises(ValueError, match="beta"):
        davidson_log_ratios(win([(0, 1, 1.0), (1, 0, 1.0)]), tie([(0, 1, 1.0)]), np.log([0.5, 0.5]), np.zeros(2, int), beta=0.0)


@given(st.floats(-30, 30, allow_subnormal=False), st.floats(0, 9), st.sampled_from(["davidson", "rao-kupper"]))
def test_outcomes_sum_to_one_and_mirror(gap, nu, model):
    nu = nu + (model == "rao-kupper")
    law = tie_probabilities(gap, nu, model=model)
    assert law.sum() == pytest.approx(1.0, abs=1e-14)
    assert (law >= 0).all()
    np.testing.assert_allclose(tie_probabilities(-gap, nu, model=model), law[[1, 0, 2]], rtol=1e-13)


def test_outcomes_from_their_odds():
    assert tie_probabilities(0.0, 3.0, model="rao-kupper")[2] == pytest.approx(0.5)
    assert tie_probabilities(0.0, 2.0)[2] == pytest.approx(0.5)
    e = np.exp(1.0)
    win, loss = e / (e + 3), 1 / (1 + 3 * e)
    assert tie_probabilities(1.0, 3.0, model="rao-kupper") == pytest.approx([win, loss, 1 - win - loss])
    odds = np.array([e, 1.0, 2 * np.sqrt(e)])
    assert tie_probabilities(1.0, 2.0) == pytest.approx(odds / odds.sum())
    assert tie_probabilities(1.0, 1.0, model="rao-kupper")[2] == 0 == tie_probabilities(1.0, 0.0)[2]


@pytest.mark.parametrize("model", ["davidson", "rao-kupper"])
def test_the_curve_has_its_own_derivatives_and_counts_probabilities(model):
    wins, ties = win([(0, 1, 2.0), (1, 2, 3.0), (2, 0, 1.0)]), tie([(0, 1, 1.5), (1, 2, 0.5)])
    curve, _ = tie_likelihood(wins, ties, 3, model=model)
    at, step = np.array([0.4, -0.1, -0.3, 0.2]), 1e-5
    nu = np.exp(at[3]) if model == "davidson" else np.sqrt(1 + np.exp(at[3]))
    law = [tie_probabilities(at[i] - at[j], nu, model=model) for i, j in ((0, 1), (1, 2), (2, 0))]
    expected = -(2 * np.log(law[0][0]) + 3 * np.log(law[1][0]) + np.log(law[2][0]) + 1.5 * np.log(law[0][2]) + 0.5 * np.log(law[1][2]))
    found = curve(at)
    assert found.value == pytest.approx(expected)
    ends = [(curve(at + step * e), curve(at - step * e)) for e in np.eye(4)]
    np.testing.assert_allclose(found.gradient, [(up.value - down.value) / (2 * step) for up, down in ends], atol=1e-8)
    np.testing.assert_allclose(found.hessian, [(up.gradient - down.gradient) / (2 * step) for up, down in ends], atol=1e-8)


def test_rao_and_kuppers_population_returns_strengths_and_nu():
    truth, nu, wins, ties = np.array([1.0, 0.2, -1.2]), 1.9, [], []
    for i in range(3):
        for j in range(i + 1, 3):
            law = tie_probabilities(truth[i] - truth[j], nu, model="rao-kupper")
            wins += [(i, j, law[0]), (j, i, law[1])]
            ties.append((i, j, law[2]))
    rest = rao_kupper_strengths(win(wins), tie(ties), 3)
    np.testing.assert_allclose(rest.at, [*truth, np.log(nu**2 - 1)], atol=1e-11)
    assert rest.distance_bound < 1e-10


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_of_rao_and_kupper_covers_an_early_stop(seed):
    rng = np.random.default_rng(seed)
    wins = win([(i, j, rng.uniform(0.5, 5)) for i in range(3) for j in range(3) if i != j])
    curve, constants = tie_likelihood(wins, tie([(0, 1, rng.uniform(0.1, 9))]), 3, model="rao-kupper")
    best, early = (descend_strengths(curve, np.zeros(4), constants, concordance=5.0, tol=tol) for tol in (1e-14, 1e-2))
    assert np.linalg.norm(early.at - best.at) <= early.distance_bound + best.distance_bound


def test_rao_and_kupper_without_an_estimate():
    with pytest.raises(ValueError, match="Rao and Kupper's model has no"):
        rao_kupper_strengths(win([(0, 1, 1.0)]), tie([(0, 1, 1.0)]), 2)
    with pytest.raises(ValueError, match="model is 'elo'"):
        tie_likelihood(win([(0, 1, 1.0)]), tie([(0, 1, 1.0)]), 2, model="elo")
    with pytest.raises(ValueError, match=r"nu is 0\.9"):
        tie_probabilities(0.0, 0.9, model="rao-kupper")
    with pytest.raises(ValueError, match="not finite"):
        tie_probabilities(np.inf, 1.0)
