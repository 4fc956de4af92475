r"""Best-of-N from a Gaussian: the KL bound is an equality, the frontier is not reached.

For pi_ref = N(0, 1), r(y) = y and N >= 1 independent draws, the law pi_N of the best draw has

    KL(pi_N || pi_ref) = log N - (N - 1)/N,    P(its draw beats a fresh one) = N/(N + 1),

exactly; both hold for every reference and reward under which r(y) has no atom. For N >= 2 its mean reward lies strictly below
the frontier sqrt(2 KL) of claim C1.

Why: U = Phi(y) is uniform, and the best draw has density N U^(N-1) against pi_ref. A law on the frontier is a shift of pi_ref,
whose log-ratio is affine in y; log N + (N - 1) log Phi(y) is not affine for N >= 2, so the gap J* - J(pi_N) = beta KL is > 0.
"""

import numpy as np
import sympy as sp

from dpo_theory import gaussian
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import integral, line, scalar
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.proof import Step

LINE, RISING = Gaussian([0.0], [[1.0]]), Quadratic([1.0])


def derive():
    u, size, tail = sp.symbols("u N x", positive=True)
    density = size * u ** (size - 1)
    yield Step("the density of the best of N", sp.integrate(density, (u, 0, 1)), 1, "derivative of u^N", sizes="every N")
    log_u = sp.integrate(-tail * size * sp.exp(-size * tail), (tail, 0, sp.oo))  # x = -log u
    yield Step("E log U under it", log_u, -1 / size, "-log U is exponential with rate N", sizes="every N")
    kl = sp.log(size) + (size - 1) * log_u
    yield Step("KL(pi_N || pi_ref)", kl, sp.log(size) - (size - 1) / size, "E log N U^(N-1)", sizes="every N")
    yield Step("win rate", sp.integrate(sp.expand(u * density), (u, 0, 1)), size / (size + 1), "E U", sizes="every N")
    y, theta, beta = sp.Symbol("y", real=True), sp.Symbol("theta", real=True), sp.Symbol("beta", positive=True)
    shifted = gaussian.log_density(line(theta, 1), scalar(y)) - gaussian.log_density(line(0, 1), scalar(y))
    yield Step("on the frontier the log-ratio is affine", sp.diff(shifted, y, 2), 0, "a shift (claim C1)", sizes="")
    best = gaussian.optimal_gaussian(Quadratic(scalar(1)), line(0, 1), beta)
    yield Step("and J* is reached by a shift alone", best.covariance[0, 0], 1, "the gap is a KL divergence", sizes="")
    phi, cdf = sp.symbols("phi Phi", positive=True)
    hazard = phi / cdf  # d log Phi(y) / dy
    slope = sp.diff(hazard, phi) * (-y * phi) + sp.diff(hazard, cdf) * phi
    yield Step(
        "log Phi has the second derivative -h (y + h), h = phi/Phi, which is not 0 for y >= 0",
        -slope.subs(y, tail),
        0,
        "so log N + (N - 1) log Phi is affine for N = 1 alone",
        relation=">",
        sizes="",
    )


def certify():
    for size in (2, 3, 4, 16, 100):
        kl, mean, win = _by_quadrature(size)
        yield Measured(f"KL at N = {size}", np.log(size) - (size - 1) / size, kl, 1 + kl)
        yield Measured(f"win rate at N = {size}", size / (size + 1), win)
        yield Measured(f"E r at N = {size}, against the frontier", mean, gaussian.frontier_reward(kl, RISING, LINE), relation="<")
    yield Measured("E r at N = 2", _by_quadrature(2)[1], 1 / np.sqrt(np.pi))


def _by_quadrature(size):
    """(KL, mean, win rate) of the best of N normal draws, by sums over the line."""
    from scipy.special import log_ndtr, ndtr

    def density(at):
        return np.exp(-(at**2) / 2 + np.log(size) + (size - 1) * log_ndtr(at)) / np.sqrt(2 * np.pi)

    kl = integral(lambda at: density(at) * (np.log(size) + (size - 1) * log_ndtr(at)), 0.0, 1.0)
    return kl, integral(lambda at: at * density(at), 0.0, 1.0), integral(lambda at: ndtr(at) * density(at), 0.0, 1.0)


def frontier_share(size):
    """E r of the best of N over the largest mean reward at the same KL."""
    kl, mean, _ = _by_quadrature(size)
    return mean / gaussian.frontier_reward(kl, RISING, LINE)


def rewards_with_atoms():
    kl = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    return breaks(
        kl < np.log(2) - 0.5 - 0.01,
        problem="two answers, pi_ref = (1/2, 1/2), r = (1, 0), N = 2",
        expected=f"KL = log 2 - 1/2 = {np.log(2) - 0.5:.4f}",
        got=f"KL = {kl:.4f}",
        because="with atoms the best draw ties with others, and the formula is only an upper bound",
    )


def one_draw():
    kl, mean, _ = _by_quadrature(1)
    return breaks(
        abs(kl) < 1e-12 and abs(mean) < 1e-12,
        problem="N = 1",
        expected="E r < sqrt(2 KL)",
        got="E r = 0 = sqrt(2 KL)",
        because="one draw is the reference, which is on the frontier",
    )


CLAIM = Claim(
    id="C4",
    aliases=("gaussian-best-of-n",),
    statement=__doc__,
    source=Source("derived here", "the KL of best-of-N as in arXiv:2401.01879, for a continuous reward"),
    assumes=("r(y) has no atom", "N >= 2 for the strict gap"),
    derive=derive,
    certify=certify,
    edges={"r(y) has no atom": rewards_with_atoms, "N >= 2 for the strict gap": one_draw},
)
