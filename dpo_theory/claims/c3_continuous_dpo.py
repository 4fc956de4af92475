r"""DPO over Gaussian policies: quadratic rewards and Gaussians are the same thing.

For pi_ref = N(m, Sigma) on R^d and beta > 0, r -> pi_r and pi -> beta log(pi/pi_ref) are inverse bijections between

    {quadratic rewards modulo constants with Sigma^-1 + Q/beta > 0}    and    {Gaussians N(mu, V), V > 0};

linear rewards correspond to the Gaussians with V = Sigma. If answers are compared by Bradley-Terry under such a reward, the
population DPO loss has pi_r as its only minimiser over all Gaussians, for every law of the compared pairs (y, y') that has
finite second moments and whose support contains an open set of R^d x R^d.

Why: per pair the loss has its only minimum at z(y, y') = r(y) - r(y'). Both sides are polynomials; if they agree on an open set
then all coefficients agree, constants aside. If the class misses pi_r, the law of the pairs decides the answer (the edge).
The bijection is derived for d = 1 and 2, the rest for every d along one coordinate.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import gaussian, preferences
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.gaussians import line, normal_grid, plane, random_gaussian, scalar, square
from dpo_theory.claims.letters import beta
from dpo_theory.gaussian import Gaussian, Quadratic
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    m, mu, a = sp.symbols("m mu a", real=True)
    s, v = sp.symbols("s v", positive=True)
    for d, (ref, policy) in enumerate(((line(m, s**2), line(mu, v**2)), (plane("m"), plane("p"))), start=1):
        reward = gaussian.implicit_reward(policy, ref, beta)
        again = gaussian.optimal_gaussian(reward, ref, beta)
        sizes = f"d = {d}"
        yield Step("policy -> reward -> policy: mean", again.mean[0], policy.mean[0], "", sizes=sizes)
        yield Step("covariance", again.covariance[0, -1], policy.covariance[0, -1], "", sizes=sizes)
        yield Step("log Z = 0", gaussian.log_partition(reward, ref, beta), 0, "it is the representative", sizes=sizes)
    ref = line(m, s**2)
    reward = Quadratic(scalar(a), square(beta * (1 / v**2 - 1 / s**2)))  # every curvature with Sigma^-1 + Q/beta > 0
    again = gaussian.implicit_reward(gaussian.optimal_gaussian(reward, ref, beta), ref, beta)
    yield Step("reward -> policy -> reward: slope", again.linear[0], a, "", sizes="d = 1")
    yield Step("curvature", again.curvature[0, 0], reward.curvature[0, 0], "", sizes="d = 1")
    shift = gaussian.implicit_reward(line(mu, s**2), ref, beta)
    yield Step("V = Sigma gives a linear reward", shift.curvature[0, 0], 0, "", sizes="d = 1")
    tilted = gaussian.optimal_gaussian(Quadratic(scalar(a)), ref, beta)
    yield Step("a linear reward gives V = Sigma", tilted.covariance[0, 0], s**2, "", sizes="d = 1")
    yield from _pair_by_pair()


def _pair_by_pair():
    h, other, gap = sp.symbols("h g Delta", real=True)
    win = sp.exp(preferences.bradley_terry(gap, sp.S.Zero))
    loss = dpo.DPO(beta)
    cost = win * loss(PairLogProbs(h, other, sp.S.Zero, sp.S.Zero)) + (1 - win) * loss(PairLogProbs(other, h, sp.S.Zero, sp.S.Zero))
    at_gap = sp.diff(cost, h).subs(h, other + gap / beta)
    yield Step("the loss of a pair is stationary at z = r(y) - r(y')", at_gap, 0, "s(z) = p", sizes="")
    yield Step("and strictly convex in z", sp.diff(cost, h, 2), 0, "beta^2 s(z) s(-z)", relation=">", sizes="")
    point, second, b, bend = sp.symbols("y y' b k", real=True)
    error = Quadratic(scalar(b), square(bend))
    gap = error(scalar(point)) - error(scalar(second))
    yield Step("if z - (r - r') vanishes on an open set, so does its second derivative", sp.diff(gap, point, 2), -bend, sizes="")
    yield Step("so k = 0, and then its slope", sp.diff(gap, point).subs(bend, 0), b, "so b = 0", sizes="")


def certify(bandit, rng):
    d, beta = int(rng.integers(1, 4)), bandit.beta
    ref, policy = random_gaussian(rng, d), random_gaussian(rng, d)
    reward = gaussian.implicit_reward(policy, ref, beta)
    again = gaussian.optimal_gaussian(reward, ref, beta)
    scale = 1e3  # product of three condition numbers of at most 16, and a mean
    yield Measured("policy -> reward -> policy: mean", again.mean, policy.mean, scale)
    yield Measured("covariance", again.covariance, policy.covariance, scale)
    left, right = rng.normal(size=(2, 200, d))
    gap = reward(left) - reward(right)
    log_ratio = [_log_normal(at, policy) - _log_normal(at, ref) for at in (left, right)]
    yield Measured("beta log pi/pi_ref, in differences", beta * (log_ratio[0] - log_ratio[1]), gap, scale * beta + np.abs(gap))
    best, worse = (_loss(gaussian.implicit_reward(law, ref, beta), gap, left, right, beta) for law in (policy, random_gaussian(rng, d)))
    if np.abs(gap).max() > 1e-3:
        yield Measured("loss of pi_r against a random Gaussian's", best, worse, relation="<")


def _log_normal(at, law):
    root = np.linalg.cholesky(law.covariance)
    standard = np.linalg.solve(root, (at - law.mean).T)
    return -(standard**2).sum(axis=0) / 2 - np.log(np.diag(root)).sum()


def _loss(implied, gap, left, right, beta):
    pairs = PairLogProbs(implied(left) / beta, implied(right) / beta, np.zeros(len(left)), np.zeros(len(left)))
    win = np.exp(preferences.bradley_terry(gap, np.zeros_like(gap)))
    swapped = PairLogProbs(pairs.policy_rejected, pairs.policy_chosen, pairs.ref_rejected, pairs.ref_chosen)
    return float(np.mean(win * dpo.DPO(beta)(pairs) + (1 - win) * dpo.DPO(beta)(swapped)))


def search(bandit, rng):
    """The DPO loss of N(mu, v^2) on a grid of pairs, written with log-densities: its minimiser is pi_r."""
    from scipy.optimize import minimize

    beta, m, mu, v = bandit.beta, rng.normal(), rng.normal(), np.exp(rng.normal() / 3)
    left, right = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, 9), np.linspace(0, 2, 8)))

    def scaled(mean, width):
        def log_ratio(at):
            return -(((at - mean) / width) ** 2) / 2 + (at - m) ** 2 / 2

        return beta * (log_ratio(left) - log_ratio(right))

    target = scaled(mu, v)
    win, curved = np.exp(-np.logaddexp(0, -target)), np.exp(-np.logaddexp(0, target) - np.logaddexp(0, -target)).max()

    def loss(at):
        z = scaled(at[0], np.exp(at[1]))
        return np.mean(win * np.logaddexp(0, -z) + (1 - win) * np.logaddexp(0, z)) / (curved * beta**2)

    found = minimize(loss, [m, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 500})
    yield Measured("mean and spread that a search finds", [found.x[0], np.exp(found.x[1])], [mu, v], 1 + abs(mu) + v, tolerance=1e-5)


def shift_by_dpo(mu):
    """theta of the DPO optimum over N(theta, 1) for ref N(0, 1), r = -y^2/2, beta = 1 and answers drawn from N(mu, 1).

    With u = y - y' and t = y + y', independent normals, z = theta u and r - r' = -u t / 2.
    """
    from scipy.optimize import brentq

    nodes, weights = normal_grid()
    u, t = np.sqrt(2) * nodes[:, None], np.sqrt(2) * nodes[None, :] + 2 * mu
    weight = weights[:, None] * weights[None, :]
    win = 1 / (1 + np.exp(u * t / 2))
    return brentq(lambda theta: float(np.sum(weight * u * (1 / (1 + np.exp(-theta * u)) - win))), -6.0, 6.0, xtol=1e-14)


def class_without_the_optimum():
    found = [shift_by_dpo(mu) for mu in (0.0, 1.0, 2.0)]
    return breaks(
        abs(found[0]) < 1e-9 and found[0] > found[1] + 0.1 > found[2] + 0.2,
        problem="ref = N(0, 1), r = -y^2/2, beta = 1, policies N(theta, 1); answers compared are drawn from N(mu, 1), mu = 0, 1, 2",
        expected="theta = 0, the best policy of the class, for every mu",
        got=f"theta = {', '.join(f'{theta:.5f}' for theta in found)}; mean reward {-(1 + found[2] ** 2) / 2:.3f} < -0.5 at mu = 2",
        because="pi_r = N(0, 1/2) is not in the class, and DPO fits the reward where answers are compared",
    )


def mirrored_pairs():
    beta, ref, at = 0.7, Gaussian([0.3], [[1.5]]), np.linspace(0.1, 3.0, 30)[:, None]
    reward = Quadratic([0.8], [[0.4]])
    gap = reward(at) - reward(-at)
    other = Quadratic([0.8], [[2.0]])
    losses = [_loss(guess, gap, at, -at, beta) for guess in (reward, other)]
    laws = [gaussian.optimal_gaussian(guess, ref, beta) for guess in (reward, other)]
    return breaks(
        abs(losses[0] - losses[1]) < 1e-12 and abs(laws[0].covariance[0, 0] - laws[1].covariance[0, 0]) > 0.1,
        problem="every answer y is compared with -y; r = 0.8 y - 0.2 y^2, ref = N(0.3, 1.5), beta = 0.7",
        expected="one minimiser",
        got=f"variances {laws[0].covariance[0, 0]:.3f} and {laws[1].covariance[0, 0]:.3f} have the same loss {losses[0]:.6f}",
        because="the even part of the reward is never compared",
    )


def noisy_labels():
    from scipy.optimize import brentq

    nodes, weights = normal_grid()
    win = 0.1 + 0.8 / (1 + np.exp(-nodes))
    found = brentq(lambda b: float(np.sum(weights * nodes * (1 / (1 + np.exp(-b * nodes)) - win))), 0.0, 2.0)
    return breaks(
        found < 0.9,
        problem="ref = N(0, 1), r = y, beta = 1, y - y' ~ N(0, 1), one label in ten flipped",
        expected="pi = N(1, 1)",
        got=f"pi = N({found:.4f}, 1) among shifts",
        because="flipped Bradley-Terry labels are not Bradley-Terry labels of any quadratic reward (claim C9)",
    )


CLAIM = Claim(
    id="C3",
    aliases=("gaussian-dpo",),
    statement=__doc__,
    source=Source("derived here", "Theorem 1 of arXiv:2305.18290 over R^d"),
    assumes=(
        "labels are Bradley-Terry of a reward of the class",
        "the policy class contains pi_r",
        "the compared pairs fill an open set",
    ),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "labels are Bradley-Terry of a reward of the class": noisy_labels,
        "the policy class contains pi_r": class_without_the_optimum,
        "the compared pairs fill an open set": mirrored_pairs,
    },
)
