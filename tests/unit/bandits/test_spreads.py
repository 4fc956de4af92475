"""Largest entries and spreads of rows, narrow and wide."""

import numpy as np
import pytest

from bandits.spreads import largest, spread


@pytest.mark.parametrize("shape", [(5, 3), (1, 1), (3, 200), (200, 64)])
def test_they_are_those_of_numpy(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(largest(rows), rows.max(axis=1))
    np.testing.assert_array_equal(spread(rows), np.ptp(rows, axis=1))


def test_a_number_that_is_none_shows():
    assert np.isnan(spread(np.array([[1.0, np.nan], [1.0, 2.0]]))).tolist() == [True, False]
