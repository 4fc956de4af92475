"""Coordinates of features, and the derivatives of losses and values in them."""

import numpy as np
import pytest

from bandits import TabularBandit
from bandits.linear import LinearLoss, LinearValue, centred, coordinates, linear_log_policy, read_features
from bandits.rows import read_rows


def problem(seed=0):
    rng = np.random.default_rng(seed)
    log_ref = np.log(rng.dirichlet(np.ones(4), 2))
    log_ref[0] = [*np.log([0.2, 0.3, 0.5]), -np.inf]
    return TabularBandit([0.3, 0.7], rng.normal(size=(2, 4)), log_ref, 0.7), rng.normal(size=(2, 4, 3))


def agrees_with_differences(curve, at, step=1e-5):
    found = curve(at)
    ends = [(curve(at + step * e), curve(at - step * e)) for e in np.eye(len(at))]
    np.testing.assert_allclose(found.gradient, [(up.value - down.value) / (2 * step) for up, down in ends], atol=1e-8)
    np.testing.assert_allclose(found.hessian, [(up.gradient - down.gradient) / (2 * step) for up, down in ends], atol=1e-8)


@pytest.mark.parametrize("loss", [lambda p: np.logaddexp(0.0, -p.margin), lambda p: p.policy_rejected * p.margin + np.exp(p.policy_chosen)])
def test_a_loss_has_its_own_derivatives(loss):
    bandit, phi = problem()
    rows = read_rows(bandit, None, None, None, soft=False)
    by_policy = LinearLoss(loss, rows, read_features(bandit, phi), 0.3 * np.eye(3), by_margin=False)
    agrees_with_differences(by_policy, np.array([0.4, -0.7, 0.2]))


def test_two_roads_to_the_loss_of_a_margin():
    bandit, phi = problem(1)
    rows, at = read_rows(bandit, None, None, None, soft=False), np.array([0.4, -0.7, 0.2])
    roads = [
        LinearLoss(lambda p: np.logaddexp(0.0, -p.margin), rows, read_features(bandit, phi), np.eye(3), by_margin=flag) for flag in (0, 1)
    ]
    for left, right in zip(*(road(at)[:3] for road in roads), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-13)


def test_the_value_is_the_bandits_own_with_its_derivatives():
    bandit, phi = problem(2)
    model, at = LinearValue(bandit, read_features(bandit, phi)), np.array([0.4, -0.7, 0.2])
    assert -model(at).value == pytest.approx(bandit.value(linear_log_policy(bandit.log_ref, model.features, at)))
    agrees_with_differences(model, at)


def test_coordinates_keep_what_differs_and_name_what_does_not():
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(6, 2)) @ rng.normal(size=(2, 4))
    found = coordinates(steps)
    assert (found.basis.shape, found.null.shape) == ((4, 2), (2, 4))
    np.testing.assert_allclose((steps @ found.basis).T @ (steps @ found.basis), np.eye(2), atol=1e-13)
    np.testing.assert_allclose(steps @ found.null.T, 0.0, atol=1e-13)
    np.testing.assert_allclose(found.null @ found.basis, 0.0, atol=1e-13)


def test_least_curvature_is_below_the_curvature_in_its_ball():
    bandit, phi = problem(3)
    rows = read_rows(bandit, None, None, None, soft=False)
    model = LinearLoss(lambda p: np.logaddexp(0.0, -p.margin), rows, read_features(bandit, phi), np.zeros((3, 3)), by_margin=True)
    rng, centre = np.random.default_rng(0), np.array([0.5, 0.1, -0.2])
    least = model.least_curvature(centre, 0.8)
    for _ in range(50):
        way = rng.normal(size=3)
        at = centre + 0.8 * rng.random() * way / np.linalg.norm(way)
        assert np.linalg.eigvalsh(model(at).hessian)[0] >= least
    assert least > 0


def test_features_off_the_support_are_nobodys_business():
    bandit, phi = problem()
    phi[0, 3] = np.nan
    assert np.isfinite(read_features(bandit, phi)).all()
    np.testing.assert_allclose(centred(bandit, read_features(bandit, phi)).sum(axis=1), 0.0, atol=1e-14)
    phi[1, 0, 2] = np.inf
    with pytest.raises(ValueError, match=r"features is inf at \(1, 0, 2\)"):
        read_features(bandit, phi)
