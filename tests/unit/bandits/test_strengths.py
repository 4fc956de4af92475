"""Newton on strengths: the bound covers the distance, and a loss without a minimum is refused."""

import numpy as np
import pytest

from bandits.strengths import Curve, component_constants, descend_strengths


def logistic(wins, losses):
    def curve(z):
        gap = z[0] - z[1]
        rate = 1 / (1 + np.exp(-gap))
        pull, bend, unit = losses * rate - wins * (1 - rate), (wins + losses) * rate * (1 - rate), np.array([1.0, -1.0])
        value = wins * np.logaddexp(0, -gap) + losses * np.logaddexp(0, gap)
        return Curve(value, pull * unit, bend * np.outer(unit, unit), value)

    return curve


def test_the_bound_covers_the_distance_even_when_stopped_early():
    constants, truth = component_constants(np.array([0, 0]), 2), np.array([0.5, -0.5]) * np.log(3)
    for tol in (1e-2, 1e-5, 1e-14):
        rest = descend_strengths(logistic(3.0, 1.0), np.zeros(2), constants, concordance=np.sqrt(2), tol=tol)
        assert np.linalg.norm(rest.at - truth) <= rest.distance_bound
    assert rest.distance_bound < 1e-12


def test_covariance_is_the_inverse_on_the_identified_subspace():
    rest = descend_strengths(logistic(3.0, 1.0), np.zeros(2), component_constants(np.array([0, 0]), 2), concordance=np.sqrt(2))
    unit = np.array([1.0, -1.0])
    assert unit @ rest.covariance @ unit == pytest.approx(1 / 3 + 1)


def test_a_loss_without_minimum_does_not_come_to_rest():
    with pytest.raises(ValueError, match="may have no minimiser"):
        descend_strengths(logistic(3.0, 0.0), np.zeros(2), component_constants(np.array([0, 0]), 2), concordance=1.5, max_steps=20)
