r"""Gaussian reference and linear reward: the optimum is a shift, the frontier a square root.

For answers in R^d, pi_ref = N(m, Sigma), r(y) = a.y + c and beta > 0:

    pi* = N(m + Sigma a / beta, Sigma),    J* = a.m + c + a.Sigma a / (2 beta),    KL(pi* || pi_ref) = a.Sigma a / (2 beta^2),

pi* is the unique maximiser of E_pi[r] - beta KL(pi || pi_ref) over all laws with a finite mean, and the largest mean reward at
KL(pi || pi_ref) <= K is R(K) = a.m + c + sqrt(2 K a.Sigma a), over all laws.

Why: log pi_ref + r/beta is log pi* plus a constant, for every y, so J* - J(pi) = beta KL(pi || pi*); and beta K + beta log Z
bounds the frontier for every beta, with equality at beta = sqrt(a.Sigma a / (2 K)). The derivation is done for d = 1 and 2.
"""

import numpy as np
import sympy as sp

from dpo_theory import gaussian
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import integral, line, plane, random_gaussian, scalar, y
from dpo_theory.claims.letters import beta, c
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.proof import Step


def derive():
    m, a, mu, q = sp.symbols("m a mu q", real=True)
    s, v, b = sp.symbols("s v b", positive=True)
    one = (line(m, s**2), Quadratic(scalar(a), None, c), scalar(y), line(mu, v**2))
    two = (
        plane("m"),
        Quadratic(np.array(sp.symbols("a_1:3", real=True), dtype=object), None, c),
        np.array(sp.symbols("y_1:3", real=True), dtype=object),
        plane("mu"),
    )
    for d, (ref, reward, at, _) in enumerate((one, two), start=1):
        best = gaussian.optimal_gaussian(reward, ref, beta)
        log_z = gaussian.log_partition(reward, ref, beta)
        shift, power = ref.covariance @ reward.linear / beta, reward.linear @ ref.covariance @ reward.linear
        sizes = f"d = {d}"
        yield Step("the mean moves by Sigma a / beta", best.mean[-1], ref.mean[-1] + shift[-1], "", sizes=sizes)
        yield Step("the covariance stays", best.covariance[0, -1], ref.covariance[0, -1], "", sizes=sizes)
        yield Step(
            "log pi_ref + r/beta = log pi* + log Z at every answer",
            gaussian.log_density(ref, at) + reward(at) / beta,
            gaussian.log_density(best, at) + log_z,
            "complete the square",
            sizes=sizes,
        )
        value = gaussian.expected_reward(best, reward) - beta * gaussian.kl_divergence(best, ref)
        yield Step("J* = beta log Z", value, beta * log_z, "the line before, in the mean", sizes=sizes)
        expected = reward.linear @ ref.mean + c + power / (2 * beta)
        yield Step("J* in closed form", beta * log_z, expected, "the pull is a.Sigma a / (2 beta)", sizes=sizes)
        yield Step("KL", gaussian.kl_divergence(best, ref), power / (2 * beta**2), "of a shift", sizes=sizes)
    ref, reward, at, other = one
    best, log_z = gaussian.optimal_gaussian(reward, ref, beta), gaussian.log_partition(reward, ref, beta)
    yield Step(
        "what pi gains at y, against log Z and its distance to pi*, q = log pi(y)",
        reward(at) - beta * (q - gaussian.log_density(ref, at)),
        beta * log_z - beta * (q - gaussian.log_density(best, at)),
        "its mean under any pi is J(pi) = J* - beta KL(pi || pi*)",
        sizes="d = 1",
    )
    density = sp.exp(gaussian.log_density(other, at))
    yield Step("pi* is a law", sp.simplify(sp.integrate(density, (y, -sp.oo, sp.oo))), 1, "Gauss", sizes="d = 1")
    slope = sp.Symbol("slope", positive=True)
    rising, budget = Quadratic(scalar(slope), None, c), slope**2 * s**2 / (2 * b**2)
    tilted = gaussian.optimal_gaussian(rising, ref, beta)
    yield Step(
        "pi* reaches R(K) at its own K",
        gaussian.frontier_reward(gaussian.kl_divergence(tilted, ref), rising, ref),
        gaussian.expected_reward(tilted, rising),
        "the bound that follows is reached",
        sizes="d = 1",
    )
    yield Step(
        "beta K + beta log Z bounds the frontier, K = a.Sigma a / (2 b^2)",
        beta * budget + beta * gaussian.log_partition(rising, ref, beta),
        gaussian.frontier_reward(budget, rising, ref),
        "a square (beta - b)^2: equality at beta = b alone",
        relation=">=",
        sizes="d = 1",
    )


def certify(bandit, rng):
    d = int(rng.integers(2, 5))
    ref, reward = random_gaussian(rng, d), Quadratic(rng.normal(size=d), None, rng.normal())
    beta = bandit.beta
    best, log_z = gaussian.optimal_gaussian(reward, ref, beta), gaussian.log_partition(reward, ref, beta)
    slope = reward.linear
    power = slope @ ref.covariance @ slope
    scale = 1 + abs(reward.constant) + np.abs(slope) @ np.abs(ref.mean) + power / beta
    yield Measured("J*", beta * log_z, slope @ ref.mean + reward.constant + power / (2 * beta), scale)
    yield Measured("KL", gaussian.kl_divergence(best, ref), power / (2 * beta**2), 1 + power / beta**2)
    kl = gaussian.kl_divergence(best, ref)
    found = gaussian.frontier_reward(kl, reward, ref)
    yield Measured("pi* is on the frontier", gaussian.expected_reward(best, reward), found, scale)
    other = random_gaussian(rng, d)
    kl = gaussian.kl_divergence(other, ref)
    got = gaussian.expected_reward(other, reward)
    yield Measured("a random law is below it", got, gaussian.frontier_reward(kl, reward, ref), scale, relation="<=")
    yield from _by_quadrature(bandit.beta, rng)


def _by_quadrature(beta, rng):
    """One dimension, by sums over the line that know no completed square."""
    m, s, a, c = rng.normal(), np.exp(rng.normal() / 2), rng.normal() * np.sqrt(beta) * min(1.0, np.sqrt(beta)), rng.normal()
    ref, reward = Gaussian([m], [[s * s]]), Quadratic([a], None, c)
    best = gaussian.optimal_gaussian(reward, ref, beta)

    def weight(at):
        return np.exp(-(((at - m) / s) ** 2) / 2 + a * (at - m) / beta) / (s * np.sqrt(2 * np.pi))

    centre = m + s * s * a / beta  # where to look: the sum is the same for every centre near the mass
    z = integral(weight, centre, s)
    mean = integral(lambda at: at * weight(at), centre, s) / z
    log_z = np.log(z) + (a * m + c) / beta
    yield Measured("log Z, by quadrature", gaussian.log_partition(reward, ref, beta), log_z, 1 + np.abs([a * m, c]).sum() / beta)
    yield Measured("mean of pi*, by quadrature", best.mean[0], mean, 1 + abs(mean))


def curved_reward():
    ref, reward = Gaussian([0.0], [[1.0]]), Quadratic([1.0], [[1.0]])
    best = gaussian.optimal_gaussian(reward, ref, 1.0)
    return breaks(
        abs(best.covariance[0, 0] - 0.5) < 1e-12,
        problem="pi_ref = N(0, 1), r = y - y^2/2, beta = 1",
        expected="pi* = N(1, 1)",
        got=f"pi* = N({best.mean[0]:.3g}, {best.covariance[0, 0]:.3g})",
        because="a curved reward changes the covariance too (claim C2)",
    )


def other_reference():
    reach = (10.0, 20.0, 40.0)
    lines = [np.linspace(-end, end, 4001) for end in reach]
    mass = [np.trapezoid(np.exp(at - np.abs(at)) / 2, at) for at in lines]
    return breaks(
        np.allclose(np.diff(mass), np.diff(reach) / 2, rtol=1e-3),
        problem="pi_ref(y) = exp(-|y|)/2, r = y, beta = 1",
        expected="a finite optimum",
        got=f"integral of pi_ref exp(r) up to 10, 20, 40: {', '.join(f'{value:.2f}' for value in mass)}",
        because="the tail of this reference is no lighter than exp(-r/beta)",
    )


def no_price():
    try:
        gaussian.optimal_gaussian(Quadratic([1.0]), Gaussian([0.0], [[1.0]]), 0.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    means = [gaussian.optimal_gaussian(Quadratic([1.0]), Gaussian([0.0], [[1.0]]), price).mean[0] for price in (1.0, 0.1, 0.01)]
    return breaks(
        np.all(np.diff(means) > 8),
        problem="pi_ref = N(0, 1), r = y, beta = 1, 0.1, 0.01, 0",
        expected="an optimal mean",
        got=f"{', '.join(f'{mean:.4g}' for mean in means)}, and at 0: {refused}",
        because="without a price the mean runs away",
    )


CLAIM = Claim(
    id="C1",
    aliases=("gaussian-linear",),
    statement=__doc__,
    source=Source("derived here", "eq. 3 and 4 of arXiv:2305.18290 over R^d"),
    assumes=("beta > 0", "the reward is linear", "the reference is Gaussian"),
    derive=derive,
    certify=certify,
    edges={"beta > 0": no_price, "the reward is linear": curved_reward, "the reference is Gaussian": other_reference},
)
