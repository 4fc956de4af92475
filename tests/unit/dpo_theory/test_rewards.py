"""Definition 1: an equivalence relation, up to rounding, that sees every difference that is not a function of the prompt."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory import optimal
from dpo_theory.rewards import same_class


def reals(bound):
    return st.floats(-bound, bound, allow_subnormal=False)


@st.composite
def tables(draw, count=1):
    contexts, actions = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    size = contexts * actions
    return [np.array(draw(st.lists(reals(100.0), min_size=size, max_size=size))).reshape(contexts, actions) for _ in range(count)]


@given(tables(), st.data())
def test_a_shift_per_prompt_stays_in_the_class(table, data):
    (reward,) = table
    shift = np.array(data.draw(st.lists(reals(100.0), min_size=len(reward), max_size=len(reward))))[:, None]
    assert same_class(reward, reward + shift)
    assert same_class(reward + shift, reward)
    assert same_class(torch.tensor(reward), (reward + shift).tolist())


@given(tables(), st.data())
def test_moving_one_entry_leaves_the_class(table, data):
    (reward,) = table
    moved = reward.copy()
    moved[data.draw(st.integers(0, len(reward) - 1)), data.draw(st.integers(0, reward.shape[1] - 1))] += 1e-3
    assert not same_class(reward, moved)


@given(tables(count=2))
def test_it_is_symmetric_and_says_what_the_optimum_says(pair):
    first, second = pair
    assert same_class(first, second) == same_class(second, first)
    log_ref = np.full(first.shape, -np.log(first.shape[1]))
    same = np.allclose(*(optimal.optimal_log_policy(r, log_ref, 1.0) for r in pair), rtol=0, atol=1e-7)
    assert same_class(first, second, tolerance=1e-8) <= same


def test_the_tolerance_is_relative_to_the_largest_reward():
    big = np.array([[1e6, 0.0]])
    assert same_class(big, [[1e6 + 1e-4, 0.0]])
    assert not same_class(big, [[1e6 + 1e-2, 0.0]])
    assert same_class(big, [[1e6 + 1e-2, 0.0]], tolerance=1e-6)
    assert not same_class([[1e-3, 0.0]], [[1e-3 + 1e-8, 0.0]])


def test_the_second_row_counts():
    assert not same_class([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.1]])


def test_forbidden_actions_match_or_not():
    assert same_class([[1.0, -np.inf, 0.0]], [[3.0, -np.inf, 2.0]])
    assert not same_class([[1.0, -np.inf, 0.0]], [[3.0, 2.0, -np.inf]])
    assert not same_class([[1.0, -np.inf]], [[1.0, 0.0]])
    assert same_class([[-np.inf, -np.inf]], [[-np.inf, -np.inf]])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([[np.nan, 0.0]], [[0.0, 0.0]], r"reward is nan at \(0, 0\), expected a finite reward, or -inf"),
        ([[0.0, 0.0]], [[0.0, np.inf]], r"other is inf at \(0, 1\)"),
        ([[0.0, 0.0]], [[0.0]], r"shapes do not match: reward \(1, 2\), other \(1, 1\)"),
        ([["a", "b"]], [[0.0, 0.0]], r"reward has dtype <U1, expected real numbers"),
        ([[True, False]], [[0.0, 0.0]], r"reward has dtype bool"),
        ([[1j, 0.0]], [[0.0, 0.0]], r"reward has dtype complex128"),
        ([[0.0, 1.0], [0.0]], [[0.0, 0.0]], r"reward is not a rectangular array"),
        ([[]], [[]], r"reward has shape \(1, 0\), expected \(X, A\) with at least one action"),
        (1.0, 2.0, r"reward has shape \(\)"),
    ],
)
def test_refuses(first, second, message):
    with pytest.raises(ValueError, match=message):
        same_class(first, second)
