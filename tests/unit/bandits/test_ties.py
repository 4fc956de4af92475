"""Davidson's model: two roads, known answers, existence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.data import Comparisons, Ties
from bandits.ties import davidson_log_ratios, davidson_recession, davidson_strengths


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
