r"""Reward against KL: the frontier is the family of optimal policies, with slope beta.

If r is not constant on the support, the policies that no other beats both in E_pi[r] and in KL(pi || pi_ref) are

    pi_beta, 0 < beta < inf,    and two ends: pi_ref, and pi_ref conditioned on argmax r, where KL = -log pi_ref(argmax r).

With lambda = 1/beta, R = E[r] and K = KL at pi_beta:    dR/dlambda = Var(r) > 0,    dK/dlambda = lambda Var(r),    so dR/dK = beta,
and R is a strictly concave function of K. For every pi and every beta, E_pi[r] <= beta KL(pi || pi_ref) + beta log Z(beta).

Why: the last line is the gap identity of claim D04; equality holds at pi_beta alone.
"""

import numpy as np
import sympy as sp

from bandits.solve import maximise_value
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support
from dpo_theory.proof import Row, Step

PRICES = (0.1, 0.3, 1.0, 3.0)


def derive():
    tilt = sp.Symbol("lambda", positive=True)
    along = optimal.optimal_log_policy(reward, log_ref, 1 / tilt)
    mean, kl = expectation(along, reward), optimal.kl_divergence(along, log_ref)
    variance = expectation(along, reward * reward) - mean**2
    spread = Row(lambda i: Row(lambda j: sp.exp(along[i] + along[j]) * (reward[i] - reward[j]) ** 2).sum()).sum() / 2
    yield Step("dR/dlambda is the variance of r", sp.diff(mean, tilt), variance, "exponential family")
    yield Step("dK/dlambda is lambda times it", sp.diff(kl, tilt), tilt * variance, "so dR/dK = 1/lambda = beta")
    yield Step("the variance is half a sum of squares", variance, spread, "positive unless r is constant")
    a, b = sp.symbols("r_i r_j", real=True)
    yield Step("which is >= 0", (a - b) ** 2, 0, "term by term", sizes="", relation=">=")
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    yield Step(
        "beta KL + beta log Z - E[r] is beta KL(pi || pi_beta), which is >= 0 (claim D03b)",
        beta * optimal.kl_divergence(log_policy, log_ref) + beta * log_z - expectation(log_policy, reward),
        beta * optimal.kl_divergence(log_policy, best),
        "weak duality; equality at pi_beta alone",
        facts=(sums_to_one(log_policy),),
        names={log_z: r"\log Z"},
    )
    inside = log_ref.each(sp.exp).sum()
    yield Step(
        "the far end: the reference conditioned on a set has KL -log pi_ref(set)",
        optimal.kl_divergence(log_ref - sp.log(inside), log_ref),
        -sp.log(inside),
        "the rows run over the set, where r is maximal",
    )


def certify(bandit, rng):
    policy = random_log_policy(bandit, rng)
    mean, kl = _point(bandit, policy)
    taken = policy > -np.inf
    size = np.max(np.where(taken, np.abs(bandit.reward), 0) + np.where(taken, np.abs(bandit.log_ref), 0), axis=-1)
    for price in PRICES:
        bound = price * (kl + optimal.log_partition(bandit.reward, bandit.log_ref, price))
        yield Measured(f"E[r] of a random policy, bound at beta {price}", mean, bound, size * (1 + price), relation="<=")
    if not full_support(bandit) or np.ptp(bandit.reward, axis=-1).max() > 50:
        return  # beyond e^50 the whole curve stands at its ends in float64
    curve = [_point(bandit, optimal.optimal_log_policy(bandit.reward, bandit.log_ref, price)) for price in PRICES]
    chord = np.diff([mean for mean, _ in curve], axis=0) / np.diff([kl for _, kl in curve], axis=0)
    least, most = np.array(PRICES[:-1])[:, None], np.array(PRICES[1:])[:, None]
    yield Measured("every chord is steeper than the smaller beta", least, chord, most, relation="<=")
    yield Measured("and flatter than the larger", chord, most, most, relation="<=")


def search(bandit, rng):
    for price in PRICES[1:3]:
        found = _point(bandit, maximise_value(bandit.replace(beta=price), rng=rng).log_policy)
        best = _point(bandit, optimal.optimal_log_policy(bandit.reward, bandit.log_ref, price))
        size = 1 + np.abs(np.where(np.isfinite(bandit.reward), bandit.reward, 0)).max(axis=-1)
        yield Measured(f"mean reward and KL at beta {price}, by search", found, best, size, tolerance=1e-9)


def _point(bandit, log_policy):
    """(X,), (X,) mean reward and KL."""
    gain = np.exp(log_policy) * np.where(log_policy > -np.inf, bandit.reward, 0)
    return gain.sum(axis=-1), optimal.kl_divergence(log_policy, bandit.log_ref)


def constant_reward():
    ref = np.log([[0.5, 0.3, 0.2]])
    kls = [float(optimal.kl_divergence(optimal.optimal_log_policy(np.ones((1, 3)), ref, b), ref)[0]) for b in (0.1, 1, 10)]
    return breaks(
        np.allclose(kls, 0.0, atol=1e-15),
        problem="r = (1, 1, 1)",
        expected="a curve of policies with slope beta",
        got=f"KL = {[round(kl, 12) for kl in kls]} at beta = 0.1, 1, 10: one point",
        because="a constant reward has no variance; every policy but pi_ref pays KL for nothing",
    )


CLAIM = Claim(
    id="D29",
    aliases=("frontier", "fig2"),
    statement=__doc__,
    source=Source(PAPER, "section 6.1, Fig. 2 left: the reward-KL frontier"),
    assumes=("r not constant on the support",),
    derive=derive,
    certify=certify,
    search=search,
    edges={"r not constant on the support": constant_reward},
)
