r"""Gaussian reference and quadratic reward: below a critical beta there is no optimum.

For pi_ref = N(m, Sigma) on R^d and r(y) = -(y - c).Q(y - c)/2 with a symmetric Q of any sign,

    Z < inf    iff    Sigma^-1 + Q/beta > 0    iff    beta > beta_c = max(0, lambda_max(-Sigma^{1/2} Q Sigma^{1/2})).

For beta > beta_c, pi* = N(L^-1 (Sigma^-1 m + Q c / beta), L^-1), L = Sigma^-1 + Q/beta, maximises E[r] - beta KL over all laws
with a finite second moment. For 0 < beta <= beta_c the supremum is +inf already over Gaussians, and at beta = beta_c too.

Why: above, log pi_ref + r/beta is log pi* plus a constant. Below, widen the reference along the worst direction: with
beta_c = (1 + u) beta, u >= 0, J(N(m, t V)) - J(pi_ref) = (beta/2) (u (t - 1) + log t) grows without bound, even for u = 0.
The derivation is done for d = 1 and d = 2 (formulas) and along one direction (divergence), where every d reduces to.
"""

import numpy as np
import sympy as sp

from dpo_theory import gaussian
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import integral, line, plane, random_gaussian, scalar, square, y
from dpo_theory.claims.letters import beta
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.proof import Step


def derive():
    yield from _above()
    yield from _below()


def _above():
    m, centre, mu = sp.symbols("m c mu", real=True)
    s, wide, v = sp.symbols("s w v", positive=True)
    bend = square(beta * (1 / wide**2 - 1 / s**2))  # every curvature with 1/s^2 + Q/beta = 1/w^2 > 0
    one = (line(m, s**2), Quadratic.centred(scalar(centre), bend), scalar(y), scalar(centre))
    first, last = plane("m"), plane("p")
    bend = beta * (_precision(last) - _precision(first))
    target = np.array(sp.symbols("c_1:3", real=True), dtype=object)
    two = (first, Quadratic.centred(target, bend), np.array(sp.symbols("y_1:3", real=True), dtype=object), target)
    for d, (ref, reward, at, c) in enumerate((one, two), start=1):
        sizes = f"d = {d}"
        best, log_z = gaussian.optimal_gaussian(reward, ref, beta), gaussian.log_partition(reward, ref, beta)
        precision, away = _precision(ref) + reward.curvature / beta, at - c
        yield Step("the reward", reward(at), -(away @ reward.curvature @ away) / 2, "around its centre", sizes=sizes)
        for column, entry in enumerate((precision @ best.covariance)[0]):
            yield Step(f"(Sigma^-1 + Q/beta) times the covariance, entry 1, {column + 1}", entry, int(column == 0), "", sizes=sizes)
        balance = precision @ best.mean - _precision(ref) @ ref.mean - reward.curvature @ c / beta
        yield Step("precision times mean is Sigma^-1 m + Q c / beta", balance[-1], 0, "", sizes=sizes)
        yield Step(
            "log pi_ref + r/beta = log pi* + log Z at every answer",
            gaussian.log_density(ref, at) + reward(at) / beta,
            gaussian.log_density(best, at) + log_z,
            "complete the square",
            sizes=sizes,
        )
        value = gaussian.expected_reward(best, reward) - beta * gaussian.kl_divergence(best, ref)
        yield Step("J* = beta log Z", value, beta * log_z, "the line before, in the mean", sizes=sizes)
    ref, reward, at, _ = one
    best, other = gaussian.optimal_gaussian(reward, ref, beta), line(mu, v**2)
    density = sp.exp(gaussian.log_density(other, at))
    for what, value, expected in (
        ("mean", at[0], mu),
        ("square", at[0] ** 2, mu**2 + v**2),
    ):
        found = sp.simplify(sp.integrate(value * density, (y, -sp.oo, sp.oo)))
        yield Step(f"{what} under N(mu, v^2)", found, expected, "Gauss", sizes="d = 1")
    yield Step(
        "gap identity",
        beta * gaussian.log_partition(reward, ref, beta)
        - gaussian.expected_reward(other, reward)
        + beta * gaussian.kl_divergence(other, ref),
        beta * gaussian.kl_divergence(other, best),
        "every law's loss against pi* is a KL divergence",
        sizes="d = 1",
    )


def _below():
    m, centre = sp.symbols("m c", real=True)
    s, u, stretch = sp.symbols("s u tau", positive=True)
    for name, excess in (("beta_c = (1 + u) beta", u), ("beta_c = beta", sp.S.Zero)):
        bend = -beta * (1 + excess) / s**2
        ref, reward = line(m, s**2), Quadratic.centred(scalar(centre), square(bend))
        yield Step(name, gaussian.critical_beta(reward, ref), (1 + excess) * beta, "", sizes="d = 1")
        wide = line(m, stretch * s**2)
        gain = gaussian.expected_reward(wide, reward) - gaussian.expected_reward(ref, reward)
        yield Step(
            f"J(N(m, t Sigma)) - J(pi_ref), {name}, t = tau",
            gain - beta * gaussian.kl_divergence(wide, ref),
            beta / 2 * (excess * (stretch - 1) + sp.log(stretch)),
            "unbounded in t",
            sizes="d = 1",
        )


def _precision(law):
    return np.array(sp.Matrix(law.covariance).inv().applyfunc(sp.cancel).tolist(), dtype=object)


def certify(bandit, rng):
    d = int(rng.integers(1, 5))
    ref, beta = random_gaussian(rng, d), bandit.beta
    bend = rng.normal(size=(d, d))
    bend, centre = (bend + bend.T) / 2, rng.normal(size=d)
    values, turn = np.linalg.eigh(ref.covariance)
    root = turn * np.sqrt(values) @ turn.T
    inner, directions = np.linalg.eigh(-root @ bend @ root)
    yield Measured("beta_c", gaussian.critical_beta(Quadratic.centred(centre, bend), ref), max(0.0, inner[-1]), 1 + abs(inner).max())
    bend = bend * (0.8 * beta / max(inner[-1], 0.2))  # beta_c is 0.8 beta, or less
    reward = Quadratic.centred(centre, bend)
    best, log_z = gaussian.optimal_gaussian(reward, ref, beta), gaussian.log_partition(reward, ref, beta)
    precision = np.linalg.inv(ref.covariance) + bend / beta
    expected = np.linalg.solve(precision, np.linalg.solve(ref.covariance, ref.mean) + bend @ centre / beta)
    scale = np.linalg.cond(precision) * (1 + np.abs(ref.mean) + np.abs(centre)).max() * (1 + np.abs(bend).max() / beta)
    yield Measured("mean of pi*", best.mean, expected, scale)
    at = rng.normal(size=(6, d))
    yield Measured("log-density", gaussian.log_density(ref, at), _log_normal(at, ref), scale)
    left = _log_normal(at, ref) + reward(at) / beta
    right = _log_normal(at, best) + log_z
    yield Measured("log pi_ref + r/beta = log pi* + log Z", left, right, scale + np.abs(left))
    worst = root @ directions[:, -1]
    bend = np.linalg.inv(root) @ (directions * -np.r_[np.minimum(inner[:-1], 0.0), 1.0] * beta) @ directions.T @ np.linalg.inv(root)
    reward = Quadratic.centred(centre, (bend + bend.T) / 2)
    yield Measured("this curvature makes beta critical", gaussian.critical_beta(reward, ref), beta, beta * 10)
    stretch = np.array([1e2, 1e4, 1e6])
    wide = [Gaussian(ref.mean, ref.covariance + (t - 1) * np.outer(worst, worst)) for t in stretch]
    gain = [_value(law, reward, ref, beta) - _value(ref, reward, ref, beta) for law in wide]
    yield Measured("at beta_c widening gains (beta/2) log t", gain, beta / 2 * np.log(stretch), 1 + beta * stretch)


def _log_normal(at, law):
    root = np.linalg.cholesky(law.covariance)
    standard = np.linalg.solve(root, (at - law.mean).T)
    return -(standard**2).sum(axis=0) / 2 - np.log(np.diag(root)).sum() - len(root) * np.log(2 * np.pi) / 2


def _value(policy, reward, ref, beta):
    return gaussian.expected_reward(policy, reward) - beta * gaussian.kl_divergence(policy, ref)


def search(bandit, rng):
    """One dimension: Newton's method on mean and log standard deviation, which sees only sums over the line."""
    from scipy.optimize import minimize

    beta, m, s, centre = bandit.beta, rng.normal(), np.exp(rng.normal() / 3), rng.normal()
    bend = beta / s**2 * rng.uniform(-0.7, 2.0)
    best = gaussian.optimal_gaussian(Quadratic.centred([centre], [[bend]]), Gaussian([m], [[s * s]]), beta)

    def loss(at):
        mean, width = at[0], np.exp(at[1])

        def gain(point):
            log_pi = -(((point - mean) / width) ** 2) / 2 - np.log(width)
            log_ref = -(((point - m) / s) ** 2) / 2 - np.log(s)
            reward = -bend * (point - centre) ** 2 / 2
            return np.exp(log_pi) / np.sqrt(2 * np.pi) * (reward / beta - log_pi + log_ref)

        return -integral(gain, mean, width)

    found = minimize(loss, [m, np.log(s)], method="BFGS", options={"gtol": 1e-8})
    yield Measured("mean that a search finds", found.x[0], best.mean[0], 1 + abs(best.mean[0]), tolerance=1e-5)
    yield Measured("variance that a search finds", np.exp(2 * found.x[1]), best.covariance[0, 0], best.covariance[0, 0], tolerance=1e-5)


def at_the_critical_beta():
    reward, ref = Quadratic.centred([1.0], [[-0.2]]), Gaussian([0.3], [[1.96]])
    lowest = gaussian.critical_beta(reward, ref)
    try:
        gaussian.optimal_gaussian(reward, ref, lowest)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    gain = [_value(Gaussian([0.3], [[1.96 * t]]), reward, ref, lowest) for t in (1e3, 1e6, 1e9)]
    return breaks(
        np.allclose(np.diff(gain), lowest / 2 * np.log(1e3), rtol=1e-3),
        problem=f"pi_ref = N(0.3, 1.4^2), r = (y - 1)^2/10, beta = beta_c = {lowest:.4g}",
        expected="an optimal policy",
        got=f"J(N(m, t Sigma)) at t = 1e3, 1e6, 1e9: {', '.join(f'{value:.3f}' for value in gain)}; {refused}",
        because="along the worst direction the exponent of pi_ref exp(r/beta) is affine, so Z is infinite",
    )


def heavier_tail():
    reach = (20.0, 40.0, 60.0)
    lines = [np.linspace(-end, end, 8001) for end in reach]
    mass = [np.trapezoid(np.exp(0.05 * at**2 / 0.4 - np.abs(at)) / 2, at) for at in lines]
    return breaks(
        mass[1] > 1e3 * mass[0] and mass[2] > 1e3 * mass[1],
        problem="pi_ref(y) = exp(-|y|)/2 of variance 2, r = y^2/20, beta = 0.4 = twice 0.1 * 2",
        expected="Z < inf above lambda_max(-Sigma Q) = 0.2",
        got=f"integral up to 20, 40, 60: {', '.join(f'{value:.2e}' for value in mass)}",
        because="this tail is heavier than a Gaussian's: Z is infinite for every beta",
    )


CLAIM = Claim(
    id="C2",
    aliases=("gaussian-quadratic", "critical-beta"),
    statement=__doc__,
    source=Source("derived here", "the finite Z that eq. 4 of arXiv:2305.18290 needs, over R^d"),
    assumes=("beta > beta_c", "the reference is Gaussian"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"beta > beta_c": at_the_critical_beta, "the reference is Gaussian": heavier_tail},
)
