"""Separation by linear programming, against exact facts about small cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Comparisons, comparison_graph
from bandits.separation import separating_direction

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda p: p[0] != p[1]), min_size=1, max_size=8)


@given(PAIRS)
def test_indicators_are_separated_exactly_when_fords_condition_fails(pairs):
    steps = np.array([np.eye(4)[i] - np.eye(4)[j] for i, j in pairs])
    chosen, rejected = zip(*pairs, strict=True)
    exists = comparison_graph(Comparisons(np.zeros(len(pairs), int), chosen, rejected), 4).exists[0]
    found = separating_direction(steps)
    assert (found is None) == exists
    if found is not None:
        assert (steps @ found > -1e-14).all()
        assert (steps @ found > 1e-6).any()


@given(st.integers(0, 10**6))
def test_in_the_plane_a_half_plane_decides(seed):
    rows = np.random.default_rng(seed).integers(-3, 4, (4, 2)).astype(float)
    rows = rows[np.abs(rows).max(axis=1) > 0]
    if len(rows) == 0:
        return
    normals = np.concatenate(
        [rows @ turn for turn in (np.array([[0, 1], [-1, 0]]), np.array([[0, -1], [1, 0]]))] + [rows, rows.sum(0)[None]]
    )
    gains = rows @ normals.T
    expected = ((gains >= 0).all(axis=0) & (gains > 0).any(axis=0)).any()
    assert (separating_direction(rows) is not None) == expected


def test_levels_may_not_change():
    winners = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert separating_direction(winners, np.array([[1.0, -1.0]])) == pytest.approx([1.0, 1.0])
    assert separating_direction(winners, np.eye(2)) is None
    assert separating_direction(np.zeros((2, 2))) is None


def test_scale_of_the_columns_does_not_matter():
    rows = np.array([[1.0, 0.3], [-0.2, 1.0]]) * [1e-9, 1e8]
    assert (rows @ separating_direction(rows) > 0).all()
