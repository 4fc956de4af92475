"""Numbers beyond the paper, from fractions, mpmath and plain quadrature; and faults that the claims about them must notice."""

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import dblquad

from dpo_theory import gaussian
from dpo_theory.claims import c3_continuous_dpo as c3
from dpo_theory.claims import c4_gaussian_best_of_n as c4
from dpo_theory.claims import c6_shared_policy_aggregates as c6
from dpo_theory.claims import c9_label_noise_breaks_bt as c9
from dpo_theory.claims import c11_reward_error_bound as c11
from dpo_theory.claims import c12_kl_bound as c12
from dpo_theory.claims import c13_wrong_reference as c13
from dpo_theory.claims import c15_excess_loss_to_regret as c15
from dpo_theory.claims import c16_win_rate_on_the_frontier as c16
from dpo_theory.claims import c17_likelihood_is_not_the_ranking as c17
from dpo_theory.claims import c18_invariance_under_bijections as c18
from dpo_theory.claims import c20_shared_kl_budget as c20
from dpo_theory.claims import registry, runner
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.mutation import edited

REF = Gaussian([0.3], [[1.96]])


def s(x):
    return 1 / (1 + mp.exp(-mp.mpf(x)))


def test_linear_reward_on_the_line_in_fractions():
    m, variance, a, beta = Fraction(3, 10), Fraction(49, 25), Fraction(9, 10), Fraction(7, 10)
    mean, kl = m + variance * a / beta, a**2 * variance / (2 * beta**2)
    assert (mean, kl, a * mean - beta * kl) == (Fraction(282, 100), Fraction(162, 100), Fraction(1404, 1000))
    best = gaussian.optimal_gaussian(Quadratic([0.9]), REF, 0.7)
    assert best.mean[0] == pytest.approx(2.82, rel=1e-14)
    assert gaussian.kl_divergence(best, REF) == pytest.approx(1.62, rel=1e-14)
    assert 0.7 * gaussian.log_partition(Quadratic([0.9]), REF, 0.7) == pytest.approx(1.404, rel=1e-14)


def test_critical_beta_in_fractions():
    precision = 1 / Fraction(49, 25) - Fraction(2, 10) / Fraction(7, 10)
    mean = (Fraction(3, 10) / Fraction(49, 25) - Fraction(2, 7)) / precision
    assert (1 / precision, mean) == (Fraction(49, 11), Fraction(-13, 22))
    reward = Quadratic.centred([1.0], [[-0.2]])
    best = gaussian.optimal_gaussian(reward, REF, 0.7)
    assert (best.covariance[0, 0], best.mean[0]) == pytest.approx((49 / 11, -13 / 22), rel=1e-13)
    assert gaussian.critical_beta(reward, REF) == pytest.approx(0.392, rel=1e-14)


@pytest.mark.parametrize(("mu", "theta"), [(1.0, -0.760340523295), (2.0, -1.722890608321)])
def test_dpo_in_a_class_without_the_optimum(mu, theta):
    assert c3.shift_by_dpo(mu) == pytest.approx(theta, abs=1e-11)

    def pull(second, first):
        weight = np.exp(-((first - mu) ** 2 + (second - mu) ** 2) / 2) / (2 * np.pi)
        win = 1 / (1 + np.exp((first**2 - second**2) / 2))
        return weight * (first - second) * (1 / (1 + np.exp(-theta * (first - second))) - win)

    slope, error = dblquad(pull, mu - 9, mu + 9, mu - 9, mu + 9, epsabs=1e-8)
    assert abs(slope) < 1e-7
    assert error < 1e-6


def test_best_of_n_normal_draws():
    two = 1 / mp.sqrt(mp.pi) / mp.sqrt(2 * mp.log(2) - 1)
    assert c4.frontier_share(2) == pytest.approx(float(two), rel=1e-13)
    for size, share in ((4, 0.91249341), (16, 0.92181772)):
        density = lambda y, n=size: n * mp.npdf(y) * mp.ncdf(y) ** (n - 1)  # noqa: E731
        mean = mp.quad(lambda y, f=density: y * f(y), [-12, 0, 3, 12])
        exact = mean / mp.sqrt(2 * (mp.log(size) - mp.mpf(size - 1) / size))
        assert c4.frontier_share(size) == pytest.approx(float(exact), rel=1e-12) == pytest.approx(share, abs=1e-8)


def test_one_policy_for_three_prompts():
    mean = (s(10) + 2 * s(-2)) / 3
    assert mp.nstr(mp.log(mean / (1 - mean)), 4) == "-0.3525"
    bandit = c6._problem(c6.GAPS, np.full(3, 1 / 3), 1.0)
    assert c6._best_margin(bandit) == pytest.approx(2.0, abs=1e-6)
    assert c6._dpo_margin(c6.GAPS, np.full(3, 1 / 3), 1.0) == pytest.approx(float(mp.log(mean / (1 - mean))), abs=1e-6)


def test_flipped_labels_of_t1():
    noisy = [Fraction(1, 10) + mp.mpf(8) / 10 * s(gap) for gap in (1, 1, 2)]
    exact = [mp.log(p / (1 - p)) for p in noisy]
    assert c9.noisy_logits() == pytest.approx([float(value) for value in exact], rel=1e-13)
    assert [mp.nstr(value, 6) for value in exact[1:]] == ["0.776137", "1.41554"]
    assert mp.nstr(exact[0] + exact[1], 6) == "1.55227"


def test_bounds_are_tight_at_one_part_in_a_million():
    with mp.workdps(40):
        x = mp.mpf(2) / 1000
        error = float(8 * mp.log(mp.cosh(x / 2)) / x**2)
        moved = float(8 * (x / 2 * mp.tanh(x / 2) - mp.log(mp.cosh(x / 2))) / x**2)
    tilt = np.array([float(x), 0.0])
    assert c11.ratio(np.zeros(2), tilt) == pytest.approx(error, rel=1e-11)
    assert c12.ratio(np.zeros(2), tilt) == pytest.approx(moved, rel=1e-11)
    assert 1 - 1e-6 < moved < error < 1
    assert 1 - 1e-6 < c15.tightest(0.3) < 1 + 1e-9


def test_preferences_counted_twice():
    ref, reward = [mp.mpf(5) / 10, mp.mpf(3) / 10, mp.mpf(2) / 10], (1, 0, -1)
    win = [sum(q * s(a - b) for q, b in zip(ref, reward, strict=True)) for a in reward]
    twice = [p * b * mp.exp(2 * a) for p, b, a in zip(ref, win, reward, strict=True)]
    once = [p * mp.exp(2 * a) for p, a in zip(ref, reward, strict=True)]
    twice, once = ([value / sum(row) for value in row] for row in (twice, once))
    gap = sum(p * mp.log(p / q) for p, q in zip(twice, once, strict=True)) / 2
    policy, shortfall = c13.counted_twice()
    assert policy == pytest.approx([float(p) for p in twice], rel=1e-13)
    assert shortfall == pytest.approx(float(gap), abs=1e-14)
    assert [mp.nstr(p, 5) for p in twice] == ["0.94616", "0.051263", "0.0025804"]
    assert mp.nstr(gap, 4) == "0.003094"


def test_win_rate_over_temperatures():
    ref, reward = [mp.mpf(5) / 100, mp.mpf(90) / 100, mp.mpf(5) / 100], (2, 0, -2)
    win = [sum(q * s(a - b) for q, b in zip(ref, reward, strict=True)) for a in reward]
    for temperature, expected in zip((0.05, 1, 2, 5), c16.at_temperatures((0.05, 1, 2, 5)), strict=True):
        weight = [(p * mp.exp(mp.mpf(a) / 2)) ** (1 / mp.mpf(temperature)) for p, a in zip(ref, reward, strict=True)]
        exact = sum(w * v for w, v in zip(weight, win, strict=True)) / sum(weight)
        assert expected == pytest.approx(float(exact), rel=1e-12)
    assert c16.at_temperatures((0.05, 1, 2, 5)).round(3).tolist() == [0.5, 0.541, 0.559, 0.539]


def test_the_likelier_answer_is_the_worse_one():
    """ref = (.1, .9), r = (1, 0), beta = 1: pi* = (e/10, 9/10)/Z."""
    policy = np.array([np.e * 0.1, 0.9]) / (np.e * 0.1 + 0.9)
    found = c17.accuracies(np.log(policy), np.log([0.1, 0.9]), np.array([1.0, 0.0]), 1.0)
    assert found == pytest.approx((float(s(1)), float(s(-1))), rel=1e-14)


def test_splitting_an_answer_in_two():
    with_ref, without = c18.split_of_the_winner()
    assert with_ref == pytest.approx([float(mp.log(mp.mpf(36) / 25))] * 2, rel=1e-13)
    assert without == pytest.approx([float(mp.log(mp.mpf(12) / 5)), float(mp.log(mp.mpf(6) / 5))], rel=1e-13)


def test_one_price_for_two_prompts():
    bandit = c20.two_prompts()
    (shared, price), (equal, prices) = c20.shared(bandit, 0.1), c20.equal(bandit, 0.1)
    assert (round(shared, 5), round(equal, 5)) == (0.49414, 0.48004)
    assert prices[0] > price > prices[1]
    ref = [mp.mpf(5) / 10, mp.mpf(3) / 10, mp.mpf(2) / 10]
    spent = gained = 0
    for reward in ((1, 0, -1), (mp.mpf(1) / 2, 0, -mp.mpf(3) / 10)):
        weight = [p * mp.exp(r / mp.mpf(price)) for p, r in zip(ref, reward, strict=True)]
        policy = [w / sum(weight) for w in weight]
        spent += sum(p * mp.log(p / q) for p, q in zip(policy, ref, strict=True)) / 2
        gained += sum(p * r for p, r in zip(policy, reward, strict=True)) / 2
    assert float(spent) == pytest.approx(0.1, abs=1e-12)
    assert float(gained) == pytest.approx(shared, abs=1e-13)


FAULTS = {
    "mean moved by the wrong sign": (gaussian.optimal_gaussian, "mean + narrowed", "mean - narrowed", "C1"),
    "beta inverted in the optimum": (gaussian.optimal_gaussian, "curvature @ mean) / beta", "curvature @ mean) * beta", "C1"),
    "tilt without the curvature": (gaussian._tilt, "+ curvature @ covariance / beta", "+ 0 * curvature @ covariance / beta", "C2"),
    "log Z without the determinant": (gaussian.log_partition, "- log_det(tilt) / 2", "- 0 * log_det(tilt)", "C2"),
    "critical beta of the other sign": (gaussian.critical_beta, "-root.T @", "root.T @", "C2"),
    "reward of the wrong curvature": (gaussian.Quadratic.__call__, "- ((y @ curvature)", "+ ((y @ curvature)", "C2"),
    "KL with its volumes exchanged": (gaussian.kl_divergence, "- volumes +", "+ volumes +", "C2"),
    "implicit reward without the reference": (gaussian.implicit_reward, "(precision - base)", "precision", "C3"),
    "frontier without its root": (gaussian.frontier_reward, "+ np.sqrt(2 *", "+ (2 *", "C1"),
}


@pytest.mark.filterwarnings("ignore")  # a faulty formula may overflow; that is its fault
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_gaussian_formula_is_noticed(fault):
    function, old, new, id = fault
    with edited(function, old, new).applied():
        evidence = runner.run(registry.load(id), only=("proof", "certificate"))
    assert evidence.failed
    assert "NameError" not in evidence.reason
