"""Newton for losses that need not be convex: where it ends, and that it says when it does not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandits.stationary import settle
from bandits.strengths import Curve


def double_well(z):
    x, y = z
    gradient = np.array([4 * x * (x * x - 1), 2 * y])
    return Curve(float((x * x - 1) ** 2 + y * y), gradient, np.diag([12 * x * x - 4, 2.0]), 1.0)


@given(st.floats(-3, 3, allow_subnormal=False), st.floats(-3, 3, allow_subnormal=False))
def test_it_ends_in_a_stationary_point_and_never_uphill(x, y):
    start = np.array([x, y])
    end = settle(double_well, start)
    assert end.done
    assert np.abs(end.found.gradient).max() < 1e-10
    assert end.found.value <= double_well(start).value
    if abs(x) > 1e-3:
        assert abs(abs(end.at[0]) - 1) < 1e-8
        assert end.curvature[0] > 0


def test_a_saddle_is_told_by_its_curvature():
    end = settle(double_well, np.array([0.0, 1.0]))
    assert end.done
    assert end.curvature[0] < 0


def test_a_slow_start_beside_a_saddle_is_no_rest():
    assert settle(double_well, np.array([1e-9, 0.0])).minimum
    assert not settle(double_well, np.array([0.0, 0.0])).minimum


def test_what_runs_away_is_not_done():
    end = settle(lambda z: Curve(float(np.exp(-z[0])), -np.exp(-z), np.exp(-z)[:, None], float(np.exp(-z[0]))), np.zeros(1), far=20.0)
    assert not end.done
    assert not settle(double_well, np.array([3.0, 3.0]), max_steps=1).done
