"""Columns of rankings: looked at, weighted, joined."""

import numpy as np
import pytest

from bandits.data import Comparisons, Rankings
from bandits.problem import TabularBandit
from bandits.rankings_rows import all_distinct, ranked_blocks, read_columns


def bandit(contexts, actions):
    shape = (contexts, actions)
    return TabularBandit(np.full(contexts, 1 / contexts), np.zeros(shape), np.full(shape, -np.log(actions)), beta=1.0)


def test_what_counts_as_rankings():
    one = Rankings([0], [[0, 1]])
    assert ranked_blocks(one) == (one,)
    assert len(ranked_blocks([one, one])) == 2
    assert ranked_blocks(Comparisons([0], [0], [1])) is None
    assert ranked_blocks([]) is None
    assert ranked_blocks(None) is None


@pytest.mark.parametrize("places", [3, 30])
def test_repeats_are_seen(places):
    order = np.argsort(np.random.default_rng(0).random((places, 20)), axis=0)
    assert all_distinct(order)
    order[places - 1, 7] = order[0, 7]
    assert not all_distinct(order)


def test_weights_are_means_within_contexts_and_equal_rankings_are_joined():
    data = Rankings(np.array([0, 1, 1, 1] * 40), np.array([[0, 1], [1, 0], [1, 0], [0, 1]] * 40), np.array([1.0, 2.0, 0.0, 6.0] * 40))
    ((pieces,), share) = read_columns(bandit(2, 2), [data])
    ((node, weight),) = pieces
    assert node.T.tolist() == [[0, 1], [2, 3], [3, 2]]
    np.testing.assert_allclose(weight, [1, 0.75, 0.25])
    np.testing.assert_allclose(share, [1 / 9, 8 / 9])


def test_whole_floats_are_indices():
    ((pieces,), _) = read_columns(bandit(1, 3), [Rankings([0.0], [[2.0, 0.0, 1.0]])])
    assert pieces[0][0].T.tolist() == [[2, 0, 1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Rankings([0], [[0, 3]]), "order is 3 at row 1"),
        (Rankings([0], [[0, -1]]), "order is -1"),
        (Rankings([1], [[0, 1]]), "context is 1 at row 0"),
        (Rankings([0, 0], [[0, 1], [2, 2]]), "order row 1 is"),
        (Rankings([0], [[0]]), "K >= 2"),
        (Rankings([0, 0], [[0, 1]]), "order has shape"),
        (Rankings([0], [[0.5, 1]]), "whole number"),
        (Rankings([0], [[0, 1]], [-1.0]), "weight is -1.0"),
        (Rankings([0], [[0, 1]], [0.0]), "nothing to fit"),
        (Rankings(np.zeros(0, int), np.zeros((0, 2), int)), "nothing to fit"),
    ],
)
def test_what_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_columns(bandit(1, 3), [data])


def test_actions_without_support_are_refused_with_their_row():
    with np.errstate(divide="ignore"):
        half = TabularBandit([1.0], [[0.0, 0.0, 0.0]], np.log([[0.5, 0.5, 0.0]]), beta=1.0)
    with pytest.raises(ValueError, match="action 2 of context 0 is ranked"):
        read_columns(half, [Rankings([0, 0], [[0, 1], [1, 2]])])
