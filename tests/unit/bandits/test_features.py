"""Log-linear policies: known instances, the tabular class as a special case, existence, and bounds that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from bandits import Comparisons, Rankings, TabularBandit, maximise_value, maximise_value_linear, minimise_loss, minimise_loss_linear

SEEDS = st.integers(0, 10**6)


def logistic(beta):
    return lambda pairs: np.logaddexp(0.0, -beta * pairs.margin)


def plackett_luce(ranked):
    z = [ranked.log_ratio[:, k] for k in range(3)]
    return np.logaddexp(z[0], np.logaddexp(z[1], z[2])) - z[0] + np.logaddexp(z[1], z[2]) - z[1]


def random_bandit(rng, x=2, a=4, beta=0.5):
    return TabularBandit(rng.dirichlet(np.ones(x)), rng.normal(size=(x, a)), np.log(rng.dirichlet(np.ones(a), x)), beta)


def three_arms(reward, beta=1.0):
    return TabularBandit([1.0], [reward], np.log([[1 / 3] * 3]), beta)


def weights(*pairs):
    found = np.zeros((1, 3, 3))
    found[0, [0, 0, 1], [1, 2, 2]] = pairs
    return found + found.transpose(0, 2, 1)


def scan(bandit, phi):
    """The best theta by a fine grid and a bounded search, from the bandit's own value."""

    def loss(theta):
        raw = bandit.log_ref + np.asarray(phi)[:, :, 0] * theta
        return -bandit.value(raw - np.logaddexp.reduce(raw, axis=1)[:, None])

    grid = np.linspace(-40, 40, 1601)
    near = grid[np.argmin([loss(theta) for theta in grid])]
    found = minimize_scalar(loss, bounds=(near - 0.1, near + 0.1), method="bounded", options={"xatol": 1e-10})
    return found.x, -found.fun


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_dpo_stays_at_the_reference_where_rlhf_does_not(beta):
    bandit, phi = three_arms([1.3045509490, -4.0, 0.0], beta), [[[1.0], [0.5], [-1.5]]]
    found = minimise_loss_linear(bandit, logistic(beta), phi)
    assert found.status == "optimal"
    assert abs(found.theta[0]) < 1e-8 / beta
    best = maximise_value_linear(bandit, phi)
    assert best.value > bandit.value(bandit.log_ref) + 1e-3
    theta, value = scan(bandit, phi)
    assert best.value == pytest.approx(value, abs=1e-9) or (abs(theta) > 39 and best.value > value)


def test_the_rlhf_value_has_two_maxima_in_one_parameter():
    bandit, phi = three_arms([1.3045509490, -4.0, 0.0]), [[[1.0], [0.5], [-1.5]]]
    best = maximise_value_linear(bandit, phi)
    assert best.status == "several_minima"
    ((theta, value),) = best.stationary
    assert (theta[0], value) == (pytest.approx(-0.5514, abs=1e-4), pytest.approx(-0.8191, abs=1e-4))
    assert best.value > 0.2 > value


def test_a_design_turns_dpo_against_the_reward():
    bandit, phi = three_arms([0.0, 1.0, -10.0]), [[[1.0], [0.0], [-1.0]]]
    even = minimise_loss_linear(bandit, logistic(1.0), phi, design=weights(1, 1, 1))
    skewed = minimise_loss_linear(bandit, logistic(1.0), phi, design=weights(0.9, 0.05, 0.05))
    assert even.theta[0] > 0 > skewed.theta[0]
    assert float(skewed.policy[0] @ bandit.reward[0]) < -3
    best = maximise_value_linear(bandit, phi)
    assert best.theta[0] > even.theta[0]
    assert best.theta[0] == pytest.approx(scan(bandit, phi)[0], abs=1e-6)


@given(SEEDS)
def test_indicators_of_actions_are_the_tabular_class(seed):
    rng = np.random.default_rng(seed)
    bandit = random_bandit(rng)
    every = np.eye(8).reshape(2, 4, 8)
    tabular, linear = minimise_loss(bandit, logistic(0.5)), minimise_loss_linear(bandit, logistic(0.5), every)
    assert linear.status == tabular.status == "optimal"
    assert len(linear.null_space) == 2
    apart = np.abs(linear.log_policy - tabular.log_policy).max()
    assert apart <= linear.certificate.distance_bound + tabular.certificate.distance_bound
    assert linear.value == pytest.approx(tabular.value, abs=1e-13)
    best = maximise_value_linear(bandit, every, starts=3)
    assert np.abs(best.log_policy - maximise_value(bandit).log_policy).max() < 1e-9
    assert best.certificate.gap_bound < 1e-10


def test_separated_columns_have_no_tabular_and_no_linear_minimiser():
    bandit, data = three_arms([0.0, 0.0, 0.0]), Comparisons([0, 0, 0], [0, 0, 1], [1, 2, 2])
    every = np.eye(3)[None]
    assert minimise_loss(bandit, logistic(1.0), data).status == "no_minimiser"
    found = minimise_loss_linear(bandit, logistic(1.0), every, data)
    assert found.status == "no_minimiser"
    assert np.isnan(found.theta).all()
    assert np.isnan(found.log_policy).all()
    steps = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]]) @ found.direction
    assert (steps >= 0).all()
    assert (steps > 0).any()


def test_a_cycle_in_one_feature_has_a_minimiser_that_the_tabular_class_lacks():
    bandit, data = three_arms([0.0, 0.0, 0.0]), Comparisons([0, 0], [0, 1], [1, 2])
    phi = [[[1.0], [0.0], [0.5]]]
    assert minimise_loss(bandit, logistic(1.0), data).status == "no_minimiser"
    found = minimise_loss_linear(bandit, logistic(1.0), phi, data)
    assert found.status == "optimal"
    at = found.theta[0]
    assert 1 / (1 + np.exp(at)) == pytest.approx(0.5 / (1 + np.exp(-at / 2)), abs=1e-12)


def test_a_squared_loss_has_a_minimiser_on_separated_data():
    bandit, phi = three_arms([0.0, 0.0, 0.0]), [[[1.0], [0.0], [-1.0]]]
    found = minimise_loss_linear(bandit, lambda pairs: (pairs.margin - 2.0) ** 2, phi, Comparisons([0, 0], [0, 0], [1, 2]))
    assert found.status == "optimal"
    assert found.theta[0] == pytest.approx(6 / 5)  # sum of steps times 2 over sum of squared steps: (1 + 2) 2 / 5


def test_what_the_comparisons_leave_free_is_named():
    bandit, phi = three_arms([0.0, 0.0, 0.0]), np.eye(3)[None]
    data = Comparisons([0, 0], [0, 1], [1, 0], [3.0, 1.0])
    found = minimise_loss_linear(bandit, logistic(1.0), phi, data)
    assert found.status == "flat"
    assert found.theta == pytest.approx([np.log(3) / 2, -np.log(3) / 2, 0.0])
    assert np.abs(found.null_space @ [1.0, -1.0, 0.0]).max() < 1e-15
    assert found.null_space.shape == (2, 3)
    held = minimise_loss_linear(bandit, logistic(1.0), phi, data, prior=0.1)
    assert (held.status, held.null_space.shape) == ("optimal", (0, 3))


def test_a_column_that_moves_no_policy_is_no_flatness():
    bandit = three_arms([1.0, 0.0, -1.0])
    phi = np.stack([np.array([[1.0, 0.0, -1.0]]), np.full((1, 3), 7.0)], axis=2)
    found = minimise_loss_linear(bandit, logistic(1.0), phi)
    assert found.status == "optimal"
    assert found.theta == pytest.approx([1.0, 0.0])
    assert np.abs(found.null_space) == pytest.approx(np.array([[0.0, 1.0]]))


@given(SEEDS, st.floats(0.01, 10.0))
def test_a_prior_makes_any_data_solvable_and_the_gradient_vanishes(seed, prior):
    rng = np.random.default_rng(seed)
    bandit, phi = random_bandit(rng), rng.normal(size=(2, 4, 3))
    data = Comparisons([0, 1], [0, 2], [1, 3])
    found = minimise_loss_linear(bandit, logistic(0.5), phi, data, prior=prior)
    steps = np.array([phi[0, 0] - phi[0, 1], phi[1, 2] - phi[1, 3]])
    rate = 1 / (1 + np.exp(0.5 * steps @ found.theta))
    np.testing.assert_allclose(prior * found.theta, 0.25 * steps.T @ rate, atol=1e-12)
    assert found.certificate.distance_bound < 1e-10


@given(SEEDS)
def test_the_bounds_hold_against_a_stop_on_the_way(seed):
    rng = np.random.default_rng(seed)
    bandit, phi = random_bandit(rng), rng.normal(size=(2, 4, 2))
    best = minimise_loss_linear(bandit, logistic(0.5), phi)
    early = minimise_loss_linear(bandit, logistic(0.5), phi, tol=0.1)
    if np.isfinite(early.certificate.distance_bound):
        assert np.abs(early.log_policy - best.log_policy).max() <= early.certificate.distance_bound + best.certificate.distance_bound
        assert early.value - best.value <= early.certificate.gap_bound + best.certificate.gap_bound
    assert best.certificate.distance_bound < 1e-9


def test_scale_of_the_features_does_not_matter():
    rng = np.random.default_rng(3)
    bandit, phi = random_bandit(rng), rng.normal(size=(2, 4, 2))
    scale = np.array([1e-9, 1e7])
    plain, scaled = minimise_loss_linear(bandit, logistic(0.5), phi), minimise_loss_linear(bandit, logistic(0.5), phi * scale)
    np.testing.assert_allclose(scaled.theta * scale, plain.theta, rtol=1e-9)


def test_separation_is_seen_whatever_the_scale_and_off_the_support():
    log_ref = np.array([[*np.log([0.5, 0.2, 0.3]), -np.inf]])
    bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0, 0.0]], log_ref, 0.5)
    phi = np.array([[[1e-6, 2e8], [0.0, 1e8], [2e-6, 0.0], [np.nan, 0.0]]])
    found = minimise_loss_linear(bandit, logistic(0.5), phi, Comparisons([0, 0], [0, 1], [1, 2]))
    assert found.status == "no_minimiser"
    steps = np.array([phi[0, 0] - phi[0, 1], phi[0, 1] - phi[0, 2]]) @ found.direction
    assert steps.max() == pytest.approx(1.0)
    assert steps.min() >= 0
    assert maximise_value_linear(bandit, phi).log_policy[0, 3] == -np.inf


def test_soft_targets_hold_a_direction_back():
    bandit, phi = three_arms([0.0, 0.0, 0.0]), np.eye(3)[None]

    def soft(pairs):
        target = 1.0 if pairs.target is None else pairs.target
        return target * np.logaddexp(0.0, -pairs.margin) + (1 - target) * np.logaddexp(0.0, pairs.margin)

    data = Comparisons([0, 0], [0, 1], [1, 2], None, [0.5, 1.0])
    found = minimise_loss_linear(bandit, soft, phi, data)
    assert found.status == "no_minimiser"
    assert found.direction[0] == pytest.approx(found.direction[1])
    mixed = data._replace(target=[0.5, 0.7])
    ends = [minimise_loss_linear(bandit, loss, phi, mixed) for loss in (soft, logistic(1.0))]
    np.testing.assert_allclose(ends[0].log_policy, ends[1].log_policy, atol=1e-12)


def test_rankings_and_losses_that_are_no_function_of_the_margin():
    rng = np.random.default_rng(4)
    bandit, phi = random_bandit(rng, x=1, a=3), rng.normal(size=(1, 3, 2))
    orders = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    data = Rankings(np.zeros(4, int), orders, [4.0, 2.0, 3.0, 1.0])
    tabular = minimise_loss(bandit, plackett_luce, data)
    linear = minimise_loss_linear(bandit, plackett_luce, np.eye(3)[None], data)
    np.testing.assert_allclose(linear.log_policy, tabular.log_policy, atol=1e-10)
    assert minimise_loss_linear(bandit, plackett_luce, phi, data).certificate.distance_bound < 1e-9

    def likelihood(pairs):
        return -pairs.policy_chosen

    data = Comparisons([0, 0, 0], [0, 1, 2], [1, 2, 0], [5.0, 3.0, 2.0])
    found = minimise_loss_linear(bandit, likelihood, phi, data)
    mean = found.policy[0] @ phi[0]
    np.testing.assert_allclose(mean, np.array([0.5, 0.3, 0.2]) @ phi[0], atol=1e-10)


def test_nothing_to_learn_from_constant_features():
    bandit = three_arms([1.0, 0.0, -1.0])
    found = minimise_loss_linear(bandit, logistic(1.0), np.ones((1, 3, 2)))
    assert (found.status, found.theta.tolist()) == ("optimal", [0.0, 0.0])
    assert found.value == pytest.approx(np.log(2))
    assert maximise_value_linear(bandit, np.ones((1, 3, 2))).value == pytest.approx(0.0, abs=1e-15)


@given(SEEDS)
def test_the_value_is_stationary_and_no_neighbour_is_better(seed):
    rng = np.random.default_rng(seed)
    bandit, phi = random_bandit(rng), rng.normal(size=(2, 4, 2))
    found = maximise_value_linear(bandit, phi, starts=4)
    assert found.gradient_norm < 1e-9
    for _ in range(10):
        raw = bandit.log_ref + phi @ (found.theta + 1e-3 * rng.normal(size=2))
        assert bandit.value(raw - np.logaddexp.reduce(raw, axis=1)[:, None]) <= found.value + 1e-13
    assert found.value <= maximise_value(bandit).value + 1e-12
    assert found.value + found.certificate.gap_bound >= maximise_value(bandit).value - 1e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.ones((1, 2, 1))}, r"expected \(1, 3, D\)"),
        ({"features": np.full((1, 3, 1), np.nan)}, "expected a finite number"),
        ({"prior": -1.0}, "prior is -1.0"),
        ({"loss": 3}, "expected a callable"),
        ({"loss": lambda pairs: np.maximum(0.0, 1.0 - pairs.margin)}, "straight pieces"),
        ({"design": np.zeros((1, 3, 3)), "data": Comparisons([0], [0], [1])}, "one of the two"),
    ],
)
def test_what_is_refused(change, message):
    given_ = {"loss": logistic(1.0), "features": np.ones((1, 3, 1)), **change}
    with pytest.raises(ValueError, match=message):
        minimise_loss_linear(three_arms([1.0, 0.0, -1.0]), **given_)


def test_a_forbidden_action_cannot_be_avoided():
    with pytest.raises(ValueError, match="every log-linear policy reaches"):
        maximise_value_linear(three_arms([1.0, 0.0, -np.inf]), np.ones((1, 3, 1)))
    with pytest.raises(ValueError, match="starts is 0"):
        maximise_value_linear(three_arms([1.0, 0.0, 0.0]), np.ones((1, 3, 1)), starts=0)
