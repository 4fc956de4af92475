"""The strategies draw what they promise, and shrink to something that can be read."""

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from bandits.graph import comparison_graph
from dpo_theory.optimal import optimal_log_policy
from dpo_theory.testing import betas, comparison_graphs, log_probs, pair_log_probs, preference_problems

TINY = np.finfo(float).tiny


def normal_numbers(array):
    return np.isfinite(array).all() and ((array == 0) | (np.abs(array) >= TINY)).all()


@given(betas(), betas(0.5, 0.75))
def test_betas(beta, narrow):
    assert 0.01 <= beta <= 10
    assert 0.5 <= narrow <= 0.75


@given(log_probs(contexts=(2, 4), actions=3, spread=5.0))
def test_log_probs_are_normalised_and_bounded(found):
    assert 2 <= found.shape[0] <= 4
    assert found.shape[1] == 3
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1.0, rtol=1e-12)
    assert np.ptp(found, axis=-1).max() <= 5.0 + 1e-9
    assert normal_numbers(found)


@given(pair_log_probs(pairs=(1, 3), tokens=True, targets=True))
def test_pairs(pairs):
    for column in pairs[:4]:
        assert ((column >= -64) & (column <= 0)).all()
        assert normal_numbers(column)
        assert not np.signbit(column[column == 0]).any()
    assert len({len(column) for column in pairs[:7]}) == 1
    assert (pairs.chosen_tokens >= 1).all()
    assert ((pairs.target >= 0) & (pairs.target <= 1)).all()


@given(pair_log_probs())
def test_pairs_carry_only_what_was_asked_for(pairs):
    assert set(pairs[4:]) == {None}


@given(preference_problems(tokens=True))
def test_problems_have_optima(bandit):
    assert bandit.support.all()
    assert (bandit.context_probs > 0).all()
    assert bandit.tokens.min() >= 1
    assert np.isfinite(bandit.value(optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)))


@given(comparison_graphs(weights=True, targets=True), st.data())
def test_comparisons_are_of_two_actions(found, data):
    assert (found.chosen != found.rejected).all()
    assert max(found.chosen.max(), found.rejected.max()) < 5
    assert found.context.max() < 2
    assert ((found.weight >= 1) & (found.weight <= 9)).all()
    assert ((found.target >= 0) & (found.target <= 1)).all()


@given(comparison_graphs(actions=4, contexts=2, comparisons=(0, 6), strong=True, targets=True))
def test_strong_graphs_have_an_estimate(found):
    assert comparison_graph(found, 4, n_contexts=2).exists.all()
    assert comparison_graph(found, 4, n_contexts=2).connected.all()


def test_other_graphs_need_not_have_one():
    found = find(comparison_graphs(), lambda data: not comparison_graph(data, 5, n_contexts=2).exists.all())
    assert [column.tolist() for column in found[:3]] == [[0], [0], [1]]


def test_instances_shrink_to_what_can_be_read():
    assert find(betas(), lambda beta: beta > 1) == 2.0
    np.testing.assert_array_equal(find(log_probs(), lambda found: True), np.log([[0.5, 0.5]]))
    bandit = find(preference_problems(), lambda bandit: bandit.reward.max() >= 1)
    assert sorted(bandit.reward.ravel().tolist()) == [0.0, 1.0]
    assert bandit.beta == 1.0
    pairs = find(pair_log_probs(), lambda pairs: (pairs.margin < -0.5).any())
    assert [column.tolist() for column in pairs[:4]] in ([[-1.0], [0.0], [0.0], [0.0]], [[0.0], [0.0], [0.0], [-1.0]])


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (lambda: betas(0.0, 1.0), "expected 0 < low <= high"),
        (lambda: betas(2.0, 1.0), "expected 0 < low <= high"),
        (lambda: log_probs(actions=1), "actions is 1, expected a whole number >= 2"),
        (lambda: log_probs(contexts=(3, 2)), r"contexts is \(3, 2\)"),
        (lambda: pair_log_probs(lowest=1.0), "lowest is 1.0, expected a finite number < 0"),
    ],
)
def test_impossible_bounds_are_refused(strategy, said):
    with pytest.raises(ValueError, match=said):
        find(strategy(), lambda found: True)
