r"""Reward likelihood.

    L(r) = sum over pairs of w_ij [ -p_ij log s(r_i - r_j) - p_ji log s(r_j - r_i) ],    w_ij >= 0, p_ij + p_ji = 1,

is convex in r; it equals the entropy of the labels plus the mean KL(Ber p_ij || Ber s(r_i - r_j)); and if the preferences are
Bradley-Terry of a finite r* on the compared pairs, its minimisers are exactly r* + a constant per connected component of
the comparison graph.

Why: along a direction v a pair adds w q(1 - q)(v_i - v_j)^2 to the second derivative and w (q - p)(v_i - v_j) to the first, with
q = s(r_i - r_j) the probability of the model, not of the data. The KL is >= 0 and is 0 only where q = p, that is where
r_i - r_j = r*_i - r*_j; along a path of compared pairs the differences add up. L is a sum over pairs, so one pair is shown.
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from dpo_theory import preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import t
from dpo_theory.proof import Step

R1, R2, V1, V2 = sp.symbols("r_1 r_2 v_1 v_2", real=True)
FOR, AGAINST = sp.symbols("f g", positive=True)  # p = f / (f + g) is any number in (0, 1)
P, COMPLEMENT = FOR / (FOR + AGAINST), AGAINST / (FOR + AGAINST)


def pair_loss(first, second):
    return -P * preferences.bradley_terry(first, second) - COMPLEMENT * preferences.bradley_terry(second, first)


def derive():
    log_q, log_other = preferences.bradley_terry(R1, R2), preferences.bradley_terry(R2, R1)
    q, other = sp.exp(log_q), sp.exp(log_other)
    entropy = -P * sp.log(P) - COMPLEMENT * sp.log(COMPLEMENT)
    kl = P * (sp.log(P) - log_q) + COMPLEMENT * (sp.log(COMPLEMENT) - log_other)
    along = pair_loss(R1 + t * V1, R2 + t * V2)
    slope, curvature = (sp.diff(along, t, order).subs(t, 0) for order in (1, 2))

    def gibbs(u):
        return sp.exp(u) - 1 - u

    u = sp.Symbol("u", real=True)
    yield Step("loss = entropy + KL", pair_loss(R1, R2), entropy + kl, "add and subtract p log p", sizes="")
    yield Step(
        "the KL is a mean of g(u) = e^u - 1 - u",
        kl,
        P * gibbs(log_q - sp.log(P)) + COMPLEMENT * gibbs(log_other - sp.log(COMPLEMENT)),
        "q + (1 - q) = p + (1 - p)",
        sizes="",
    )
    yield Step("g and g' vanish at 0", gibbs(u).subs(u, 0) ** 2 + gibbs(u).diff(u).subs(u, 0) ** 2, 0, sizes="")
    yield Step("g'' > 0, so g > 0 away from 0", gibbs(u).diff(u, 2), relation=">", sizes="")
    yield Step("first derivative along v", slope, (q - P) * (V1 - V2), "d log s(x) = s(-x) dx", sizes="")
    yield Step("second derivative along v", curvature, q * (1 - q) * (V1 - V2) ** 2, "q is the model's probability; p drops out", sizes="")
    yield Step("it is >= 0", q * other * (V1 - V2) ** 2, relation=">=", why="1 - q = p(2 > 1) by D01", sizes="")
    yield Step("q = p fixes the difference", log_q - log_other, R1 - R2, "the log-odds of q", sizes="")


def certify(bandit, rng):
    if not np.isfinite(bandit.reward).all():
        return
    n = bandit.n_actions
    w = np.triu(rng.exponential(size=(n, n)), 1)
    left, right = np.triu_indices(n, 1)
    weight = w[left, right] / w[left, right].sum()
    for reward in bandit.reward:
        log_p, log_q = (_pair(reward, left, right, sign) for sign in (1, -1))
        other = reward + rng.normal(size=n)
        model_p, model_q = (_pair(other, left, right, sign) for sign in (1, -1))
        p, q = np.exp(log_p), np.exp(log_q)
        loss = weight @ -(p * _bt(other, left, right) + q * _bt(other, right, left))
        best = weight @ -(p * _bt(reward, left, right) + q * _bt(reward, right, left))
        entropy = weight @ -(p * log_p + q * log_q)
        kl = weight @ (p * (log_p - model_p) + q * (log_q - model_q))
        scale = 1 + weight @ -(p * (log_p + model_p) + q * (log_q + model_q))
        yield Measured("L(r) against entropy + KL", loss, entropy + kl, scale)
        yield Measured("L(r*) against the entropy", best, entropy, scale)
        yield Measured("L(r*) against L at another reward", best, loss, scale, relation="<=")


def _pair(reward, left, right, sign):
    return -np.logaddexp(0.0, -sign * (reward[left] - reward[right]))


def _bt(reward, first, second):
    return preferences.bradley_terry(reward[first], reward[second])


def not_bradley_terry():
    P3 = np.array([[0.5, 0.9, 0.3], [0.1, 0.5, 0.8], [0.7, 0.2, 0.5]])
    left, right = np.triu_indices(3, 1)

    def best(weights):
        p = P3[left, right]
        found = minimize(lambda r: -weights @ (p * _bt(r, left, right) + (1 - p) * _bt(r, right, left)), np.zeros(3), tol=1e-12).x
        return found - found[2]

    even, skewed = best(np.array([1.0, 1.0, 1.0]) / 3), best(np.array([1.0, 10.0, 1.0]) / 12)
    return breaks(
        np.abs(even - skewed).max() > 0.1,
        problem="p_12 = .9, p_13 = .3, p_23 = .8: log-odds that do not add up around the cycle",
        expected="one minimiser, whatever the weights of the pairs",
        got=f"r = {even.round(4).tolist()} for equal weights, {skewed.round(4).tolist()} with pair (1, 3) ten times as often",
        because="no reward reproduces the preferences, so the weights decide which pairs are fitted badly",
    )


def deterministic_label():
    losses = -preferences.bradley_terry(np.array([1.0, 10.0, 100.0, 700.0]), np.zeros(4))
    return breaks(
        bool((losses > 0).all() and (np.diff(losses) < 0).all()),
        problem="two answers, p_12 = 1",
        expected="a minimiser r*",
        got=f"L = {losses.tolist()} at r_1 - r_2 = 1, 10, 100, 700",
        because="the infimum 0 is approached and never attained: all mass of the bipartition {1}, {2} points one way",
    )


CLAIM = Claim(
    id="D02",
    aliases=("eq2", "reward-likelihood"),
    statement=__doc__,
    source=Source(PAPER, "eq. 2"),
    assumes=("preferences are Bradley-Terry on the compared pairs", "r* is finite"),
    derive=derive,
    certify=certify,
    edges={"preferences are Bradley-Terry on the compared pairs": not_bradley_terry, "r* is finite": deterministic_label},
)
