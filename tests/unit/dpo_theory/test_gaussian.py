"""The Gaussian closed forms: numbers and symbols agree, whitening changes nothing, and what is no problem is refused."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory import gaussian
from dpo_theory.gaussian import Gaussian, Quadratic

LINE = Gaussian([0.3], [[1.96]])


def reals(low, high):
    return st.floats(low, high, allow_subnormal=False)


def laws(d):
    def build(mean, logs, angle):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])[:d, :d] if d == 2 else np.eye(d)
        covariance = turn * np.exp(logs) @ turn.T
        return Gaussian(np.array(mean), (covariance + covariance.T) / 2)

    size = {"min_size": d, "max_size": d}
    return st.builds(build, st.lists(reals(-3, 3), **size), st.lists(reals(-2, 2), **size), reals(0, 6))


@given(reals(-3, 3), reals(0.2, 3), reals(-3, 3), reals(-0.9, 4), reals(0.1, 5))
def test_numbers_and_symbols_agree(mean, sd, slope, bend, beta):
    bend = bend * beta / sd**2
    at = dict(zip(sp.symbols("m v a q b"), (mean, sd**2, slope, bend, beta), strict=True))
    m, v, a, q, b = at
    law = Gaussian(np.array([m], dtype=object), np.array([[v]], dtype=object))
    reward = Quadratic(np.array([a], dtype=object), np.array([[q]], dtype=object))
    ref, numbers = Gaussian([mean], [[sd**2]]), Quadratic([slope], [[bend]])
    symbolic, found = gaussian.optimal_gaussian(reward, law, b), gaussian.optimal_gaussian(numbers, ref, beta)
    pairs = [
        (symbolic.mean[0], found.mean[0]),
        (symbolic.covariance[0, 0], found.covariance[0, 0]),
        (gaussian.log_partition(reward, law, b), gaussian.log_partition(numbers, ref, beta)),
        (gaussian.kl_divergence(symbolic, law), gaussian.kl_divergence(found, ref)),
        (gaussian.expected_reward(law, reward), gaussian.expected_reward(ref, numbers)),
        (gaussian.critical_beta(reward, law), gaussian.critical_beta(numbers, ref)),
        (gaussian.log_density(law, reward.linear), gaussian.log_density(ref, [slope])),
        (gaussian.implicit_reward(symbolic, law, b).linear[0], gaussian.implicit_reward(found, ref, beta).linear[0]),
    ]
    for formula, number in pairs:
        assert float(formula.subs(at)) == pytest.approx(float(number), rel=1e-8, abs=1e-8)


@given(laws(2), laws(2), reals(0.1, 4))
def test_the_optimum_of_the_implicit_reward_is_the_policy(policy, ref, beta):
    reward = gaussian.implicit_reward(policy, ref, beta)
    best = gaussian.optimal_gaussian(reward, ref, beta)
    assert best.mean == pytest.approx(policy.mean, abs=1e-9)
    assert best.covariance == pytest.approx(policy.covariance, abs=1e-9)
    assert gaussian.log_partition(reward, ref, beta) == pytest.approx(0.0, abs=1e-9)


@given(laws(2), laws(2))
def test_kl_is_zero_at_home_and_positive_elsewhere(law, other):
    assert gaussian.kl_divergence(law, law) == pytest.approx(0.0, abs=1e-10)
    assert gaussian.kl_divergence(law, other) >= -1e-10


@given(laws(2), st.lists(reals(-2, 2), min_size=2, max_size=2), reals(0, 5), reals(0, 5))
def test_the_frontier_is_a_rising_concave_curve_from_the_reference(ref, slope, low, high):
    reward = Quadratic(slope, None, 0.5)
    low, high = sorted((low, high))
    ends = gaussian.frontier_reward(np.array([0.0, low, (low + high) / 2, high]), reward, ref)
    assert ends[0] == pytest.approx(gaussian.expected_reward(ref, reward), abs=1e-12)
    assert ends[1] <= ends[3] + 1e-12
    assert ends[2] >= (ends[1] + ends[3]) / 2 - 1e-12


def test_quadratic_forms_of_the_same_reward():
    centred = Quadratic.centred([1.0, -2.0], [[2.0, 0.5], [0.5, 1.0]])
    at = np.array([[1.0, -2.0], [0.0, 0.0]])
    assert centred(at).tolist() == [0.0, -(2.0 - 2.0 * 0.5 * 2 + 4.0) / 2]
    assert Quadratic([1.0, 2.0])(at).tolist() == [-3.0, 0.0]


def test_log_density_of_the_standard_normal_law():
    law = Gaussian(np.zeros(3), np.eye(3))
    assert gaussian.log_density(law, np.zeros((2, 3))) == pytest.approx([-1.5 * np.log(2 * np.pi)] * 2)


REFUSED = {
    "beta at the critical value": (
        lambda: gaussian.optimal_gaussian(Quadratic([0.0], [[-1.0]]), Gaussian([0.0], [[2.0]]), 2.0),
        "critical 2:",
    ),
    "beta below it": (lambda: gaussian.log_partition(Quadratic([0.0], [[-1.0]]), Gaussian([0.0], [[2.0]]), 1.0), "Raise beta"),
    "beta zero": (lambda: gaussian.optimal_gaussian(Quadratic([1.0]), LINE, 0.0), "beta is 0.0, expected a finite number > 0"),
    "covariance not positive definite": (lambda: gaussian.log_density(Gaussian([0.0], [[0.0]]), [0.0]), "eigenvalue 0"),
    "covariance not symmetric": (lambda: gaussian.log_density(Gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), [0.0, 0.0]), "not symmetric"),
    "curvature of the wrong shape": (lambda: gaussian.expected_reward(LINE, Quadratic([1.0], [1.0])), r"shape \(1,\), expected \(1, 1\)"),
    "two dimensions": (lambda: gaussian.expected_reward(LINE, Quadratic([1.0, 2.0])), "d = 1 and the other d = 2"),
    "NaN": (lambda: gaussian.kl_divergence(Gaussian([np.nan], [[1.0]]), LINE), "expected finite numbers"),
    "mean of a matrix": (lambda: gaussian.log_density(Gaussian([[0.0]], [[1.0]]), [0.0]), r"shape \(1, 1\), expected \(d,\)"),
    "frontier of a curved reward": (lambda: gaussian.frontier_reward(1.0, Quadratic([1.0], [[1.0]]), LINE), "expected a linear reward"),
    "negative KL": (lambda: gaussian.frontier_reward(-1.0, Quadratic([1.0]), LINE), "expected nats >= 0"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_yields_no_number(call, message):
    with pytest.raises(ValueError, match=message):
        call()
