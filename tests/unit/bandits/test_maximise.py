"""The optimum of the objective, by search, against another optimiser and against answers known by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import TabularBandit, maximise_value
from bandits.regularisers import REGULARISERS, Regulariser

T1 = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)


def random_bandit(rng, x, a, *, spread=2.0):
    raw = rng.normal(scale=1.5, size=(x, a))
    log_ref = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    return TabularBandit(rng.dirichlet(np.ones(x)), rng.normal(scale=spread, size=(x, a)), log_ref, float(rng.uniform(0.1, 3.0)))


def objective(bandit, name, policy):
    ratio = policy / np.exp(bandit.log_ref)
    f = {
        "kl": lambda u: u * np.log(u),
        "chi-square": lambda u: (u - 1) ** 2 / 2,
        "forward-kl": lambda u: -np.log(u),
        "jensen-shannon": lambda u: u * np.log(u) - (1 + u) * np.log((1 + u) / 2),
        "chi-square+kl": lambda u: (u - 1) ** 2 / 2 + u * np.log(u),
    }[name]
    return np.sum(policy * bandit.reward, axis=1) - bandit.beta * np.sum(np.exp(bandit.log_ref) * f(ratio), axis=1)


@pytest.mark.parametrize("name", REGULARISERS)
def test_another_optimiser_finds_nothing_better(name):
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    for _ in range(4):
        bandit = random_bandit(rng, 1, 4)
        found = maximise_value(bandit, regulariser=name, rng=rng)

        def cost(p, bandit=bandit):
            return -objective(bandit, name, np.maximum(p, 1e-12)[None])[0]

        other = minimize(
            cost,
            np.full(4, 0.25),
            method="SLSQP",
            bounds=[(1e-12, 1)] * 4,
            tol=1e-12,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        )
        assert found.status == "optimal"
        assert other.x == pytest.approx(found.policy[0], abs=2e-4)
        assert -other.fun <= found.value + found.certificate.gap_bound + 1e-9
        assert found.value == pytest.approx(-other.fun, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 8), st.sampled_from(sorted(REGULARISERS)))
def test_the_optimum_is_stationary_from_any_start(seed, x, a, name):
    rng = np.random.default_rng(seed)
    bandit = random_bandit(rng, x, a)
    first = maximise_value(bandit, regulariser=name)
    second = maximise_value(bandit, regulariser=name, rng=rng)
    assert first.status == second.status == "optimal"
    assert first.policy == pytest.approx(second.policy, abs=1e-12)
    assert first.certificate.gap_bound < 1e-12
    taken = first.log_policy > -np.inf
    ratio = np.where(taken, first.log_policy - bandit.log_ref, 0.0)
    marginal = bandit.reward - bandit.beta * REGULARISERS[name].slope(ratio)
    level = np.max(np.where(taken, marginal, -np.inf), axis=1, keepdims=True)
    assert np.abs(np.where(taken, marginal - level, 0.0)).max() < 1e-11
    assert (bandit.reward - bandit.beta * REGULARISERS[name].slope_at_zero)[~taken].size == 0 or name == "chi-square"


@given(st.integers(0, 2**32 - 1))
def test_shifting_and_permuting(seed):
    rng = np.random.default_rng(seed)
    bandit = random_bandit(rng, 3, 5)
    base = maximise_value(bandit).log_policy
    shifted = maximise_value(bandit.replace(reward=bandit.reward + rng.normal(size=(3, 1)))).log_policy
    assert shifted == pytest.approx(base, abs=1e-11)
    order = rng.permutation(5)
    moved = maximise_value(bandit.replace(reward=bandit.reward[:, order], log_ref=bandit.log_ref[:, order])).log_policy
    assert moved == pytest.approx(base[:, order], abs=1e-11)


def test_chi_square_leaves_actions_out():
    assert maximise_value(T1, regulariser="chi-square").policy.tolist() == [[1.0, 0.0, 0.0]]
    edge = TabularBandit([1.0], [[3.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    found = maximise_value(edge, regulariser="chi-square", rng=np.random.default_rng(0))
    assert found.policy.tolist() == [[1.0, 0.0]]
    assert found.value == pytest.approx(3.0 - 0.5, rel=1e-14)
    assert "would not pay" in found.certificate.reason


def test_a_callable_price_is_differentiated():
    by_name = maximise_value(T1, regulariser="chi-square+kl").policy
    by_hand = maximise_value(T1, regulariser=lambda u: (u - 1) ** 2 / 2 + u * np.log(u)).policy
    assert by_hand == pytest.approx(by_name, abs=1e-12)


def test_forbidden_and_unsupported_actions_keep_no_probability():
    bandit = TabularBandit([1.0], [[1.0, -np.inf, 0.0, 5.0]], np.array([[np.log(0.5), np.log(0.25), np.log(0.25), -np.inf]]), 1.0)
    found = maximise_value(bandit, rng=np.random.default_rng(0))
    assert found.policy[0, [1, 3]].tolist() == [0.0, 0.0]
    odds = found.log_policy[0, 0] - found.log_policy[0, 2]
    assert odds == pytest.approx(1.0 + np.log(2.0), abs=1e-13)
    assert maximise_value(bandit.replace(reward=[[1.0, -np.inf, -np.inf, 0.0]])).policy.tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_tiny_probabilities_are_right_in_log_space():
    bandit = TabularBandit([1.0], [[0.0, -40.0, 30.0]], np.log([[0.2, 0.5, 0.3]]), beta=0.5)
    found = maximise_value(bandit)
    gap = found.log_policy[0] - bandit.log_ref[0]
    assert gap[2] - gap[1] == pytest.approx(140.0, abs=1e-12)
    assert found.certificate.distance_bound < 1e-11


def test_a_wrong_slope_does_not_pass_for_the_optimum():
    """The gap is computed from the slope, so a price whose slope is not the derivative of its value must fail against it."""
    kl = REGULARISERS["kl"]
    wrong = Regulariser("wrong", kl.value, lambda t: 2 * t, lambda t: np.full_like(t, 2.0), -np.inf)
    assert maximise_value(T1, regulariser=wrong).value < maximise_value(T1).value - 1e-3


def test_stopping_early_is_told():
    found = maximise_value(T1, max_steps=2)
    assert found.status == "not_converged"
    best = maximise_value(T1)
    assert best.value - found.value <= found.certificate.gap_bound
    assert np.abs(best.log_policy - found.log_policy).max() <= found.certificate.distance_bound


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": np.log([[0.5, 0.25, 0.2]])}, r"start row 0 sums to 0\.95"),
        ({"start": np.array([[0.0, -np.inf, -np.inf]])}, r"start is -inf at \(0, 1\)"),
        ({"regulariser": "js"}, "expected one of kl"),
        ({"regulariser": np.sin}, "is not|cannot be"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        maximise_value(T1, **arguments)
