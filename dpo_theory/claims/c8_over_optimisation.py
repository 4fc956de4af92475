r"""Over-optimisation in closed form: gold reward along the proxy's frontier.

Gaussian: pi_ref = N(0, 1), proxy r(y) = y, gold g(y) = y - kappa y^2 / 2 with kappa > 0. Along the exact frontier
pi_lambda = N(lambda, 1), lambda = 1/beta, with d = sqrt(KL(pi_lambda || pi_ref)):

    E g - E_ref g = d (sqrt(2) - kappa d),    rising up to lambda = 1/kappa, falling after it:

the law d (a - b d) with a = sqrt(2), b = kappa. A gold reward that is linear too never turns: E g - E_ref g is
sqrt(2) d b.Sigma a / sqrt(a.Sigma a) for slopes b (gold) and a (proxy), in every dimension.

Tabular, any gold g and proxy rhat: along pi_lambda, proportional to pi_ref exp(lambda rhat), dE[g]/dlambda = Cov(g, rhat):
gold turns where the covariance under the current policy changes sign.

Why: claims C1 and C10.
"""

import numpy as np
import sympy as sp

from dpo_theory import gaussian, optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import line, random_gaussian, scalar, square
from dpo_theory.claims.letters import expectation, log_ref, other_reward, reward
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.proof import Row, Step


def derive():
    rate, kappa, s, slope = sp.symbols("lambda kappa s a", positive=True)
    b, m, c = sp.symbols("b m c", real=True)
    ref = line(0, 1)
    best = gaussian.optimal_gaussian(Quadratic(scalar(1)), ref, 1 / rate)
    gold = Quadratic(scalar(1), square(kappa))
    away = sp.sqrt(gaussian.kl_divergence(best, ref))
    gain = gaussian.expected_reward(best, gold) - gaussian.expected_reward(ref, gold)
    yield Step("distance", away, rate / sp.sqrt(2), "KL = lambda^2 / 2", sizes="")
    yield Step("gold against distance", gain, away * (sp.sqrt(2) - kappa * away), "d (a - b d)", sizes="")
    yield Step("its slope in lambda", sp.diff(gain, rate), 1 - kappa * rate, "one turn, at lambda = 1/kappa", sizes="")
    ref = line(m, s**2)
    best = gaussian.optimal_gaussian(Quadratic(scalar(slope)), ref, 1 / rate)
    straight = Quadratic(scalar(b), None, c)
    gain = gaussian.expected_reward(best, straight) - gaussian.expected_reward(ref, straight)
    away = sp.sqrt(gaussian.kl_divergence(best, ref))
    yield Step("linear gold is linear in d", gain, sp.sqrt(2) * away * b * s**2 * slope / (s * slope), "no turn", sizes="d = 1")
    tilted = optimal.optimal_log_policy(reward, log_ref, 1 / rate)
    mean = Row(lambda _: expectation(tilted, reward))
    yield Step(
        "tabular: dE[g]/dlambda is the covariance of gold and proxy",
        sp.diff(expectation(tilted, other_reward), rate),
        expectation(tilted, other_reward * (reward - mean)),
        "d log pi_lambda / dlambda = rhat - E rhat",
    )


def certify(bandit, rng):
    kappa, rate = np.exp(rng.normal()), 1 / bandit.beta
    ref, gold = Gaussian([0.0], [[1.0]]), Quadratic([1.0], [[kappa]])
    best = gaussian.optimal_gaussian(Quadratic([1.0]), ref, bandit.beta)
    at = rate + np.linspace(-12.0, 12.0, 2401)
    density = np.exp(-((at - rate) ** 2) / 2) / np.sqrt(2 * np.pi) * 0.01
    away = np.sqrt(np.sum(density * (rate * at - rate**2 / 2)))
    gold_mean = np.sum(density * (at - kappa * at**2 / 2))
    yield Measured("E g, by quadrature", gaussian.expected_reward(best, gold), gold_mean, 1 + rate + kappa * rate**2)
    law = away * (np.sqrt(2) - kappa * away) - kappa / 2
    yield Measured("d (a - b d) + E_ref g", law, gold_mean, 1 + rate + kappa * rate**2)
    d = int(rng.integers(2, 5))
    ref, proxy, straight = random_gaussian(rng, d), Quadratic(rng.normal(size=d)), Quadratic(rng.normal(size=d))
    best = gaussian.optimal_gaussian(proxy, ref, bandit.beta)
    power = proxy.linear @ ref.covariance @ proxy.linear
    away = np.sqrt(gaussian.kl_divergence(best, ref))
    gain = gaussian.expected_reward(best, straight) - gaussian.expected_reward(ref, straight)
    expected = np.sqrt(2 / power) * away * (straight.linear @ ref.covariance @ proxy.linear)
    terms = np.abs(straight.linear) @ (np.abs(best.mean) + np.abs(ref.mean))
    yield Measured("linear gold", gain, expected, np.linalg.cond(ref.covariance) * (terms + abs(expected)))
    yield from _tabular(bandit, rng)


def _tabular(bandit, rng):
    """E g at two rates against the covariance integrated between them."""
    gold = rng.normal(size=bandit.reward.shape)
    proxy = np.where(np.isfinite(bandit.reward), bandit.reward, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    reach = min(0.5 / bandit.beta, 0.5 / (1 + np.ptp(proxy)))
    rates, ends = 1 / bandit.beta + reach * nodes, 1 / bandit.beta + reach * np.array([-1.0, 1.0])

    def policy(rate):
        return np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, 1 / rate))

    slopes = np.array([_covariance(policy(rate), gold, proxy) for rate in rates])
    total = reach * np.tensordot(weights, slopes, 1)
    gain = (policy(ends[1]) * gold).sum(axis=-1) - (policy(ends[0]) * gold).sum(axis=-1)
    yield Measured("E g at two rates, against the integral of Cov(g, rhat)", gain, total, 1 + np.abs(gold).max())


def _covariance(policy, first, second):
    means = [(policy * values).sum(axis=-1, keepdims=True) for values in (first, second)]
    return (policy * (first - means[0]) * (second - means[1])).sum(axis=-1)


def no_curvature():
    rates = np.array([1.0, 10.0, 100.0])
    gold = Quadratic([1.0], [[0.0]])
    means = [gaussian.expected_reward(Gaussian([rate], [[1.0]]), gold) for rate in rates]
    return breaks(
        np.all(np.diff(means) > 0) and np.allclose(means, rates),
        problem="kappa = 0: gold is the proxy",
        expected="gold falls after lambda = 1/kappa",
        got=f"E g at lambda = 1, 10, 100: {', '.join(f'{mean:g}' for mean in means)}",
        because="without curvature there is no turn",
    )


def another_path():
    kappa, mean, spread = 0.5, 1.0, 3.0
    ref, off = Gaussian([0.0], [[1.0]]), Gaussian([mean], [[spread**2]])
    away = np.sqrt(gaussian.kl_divergence(off, ref))
    gold = Quadratic([1.0], [[kappa]])
    gain = gaussian.expected_reward(off, gold) - gaussian.expected_reward(ref, gold)
    law = away * (np.sqrt(2) - kappa * away)
    return breaks(
        abs(gain - law) > 0.05,
        problem="pi = N(1, 9), kappa = 1/2: not on the frontier of the proxy",
        expected=f"gold gain d (sqrt 2 - kappa d) = {law:.4f}",
        got=f"{gain:.4f}",
        because="off the frontier gold is no function of the KL divergence",
    )


CLAIM = Claim(
    id="C8",
    aliases=("over-optimisation",),
    statement=__doc__,
    source=Source(PAPER, "sec. 7, over-optimisation question; the law d (a - b d) is that of Gao et al. 2022, arXiv:2210.10760"),
    assumes=("kappa > 0", "the policy is on the exact frontier of the proxy"),
    derive=derive,
    certify=certify,
    edges={"kappa > 0": no_curvature, "the policy is on the exact frontier of the proxy": another_path},
)
