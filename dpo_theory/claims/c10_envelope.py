r"""Sensitivities of the optimum: the optimal policy is the gradient of the optimal value.

With J* = beta log Z and C(pi) = diag(pi) - pi pi', for finite answers, beta > 0 and finite rewards on the support:

    dJ*/dr_i = pi*_i,    dJ*/dbeta = -KL(pi* || pi_ref),    dpi*_i/dr_j = C(pi*)_ij / beta,    dJ*/dlog pi_ref,i = beta pi*_i,

the last along directions v with sum_i pi_ref,i v_i = 0, which keep the reference normalised.

Why: an envelope: J* is the maximum of J, so its first change is the change of J at a fixed pi*.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, k, log_ref, reward, sums_to_one, t
from dpo_theory.proof import Step, row


def derive():
    v = row("v")
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    value = beta * optimal.log_partition(reward, log_ref, beta)
    names = {optimal.log_partition(reward, log_ref, beta): r"\log Z"}
    moved = reward + t * v
    yield Step(
        "dJ*/dr along v",
        sp.diff(beta * optimal.log_partition(moved, log_ref, beta), t).subs(t, 0),
        expectation(best, v),
        "v_i counts with pi*_i",
        names=names,
    )
    yield Step(
        "dJ*/dbeta",
        sp.diff(value, beta),
        -optimal.kl_divergence(best, log_ref),
        "the reward part cancels",
        names=names,
    )
    yield Step(
        "dpi*_k/dr along v",
        sp.diff(sp.exp(optimal.optimal_log_policy(moved, log_ref, beta)[k]), t).subs(t, 0),
        sp.exp(best[k]) * (v[k] - expectation(best, v)) / beta,
        "row k of C(pi*) v / beta",
        names=names,
    )
    yield Step(
        "dJ*/dlog pi_ref along v",
        sp.diff(beta * optimal.log_partition(reward, log_ref + t * v, beta), t).subs(t, 0),
        beta * expectation(best, v),
        "log pi_ref enters where r/beta does",
        names=names,
    )
    yield Step(
        "a tangent direction keeps the reference normalised",
        sp.diff((log_ref + t * (v - expectation(log_ref, v))).each(sp.exp).sum(), t).subs(t, 0),
        0,
        "sum pi_ref v = 0 after centring",
        facts=(sums_to_one(log_ref),),
    )


def certify(bandit, rng):
    """Values at the two ends of a segment against the claimed slope, integrated along it."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    nodes, weights = (nodes + 1) / 2, weights / 2
    beta, ref, reward = bandit.beta, bandit.log_ref, bandit.reward
    finite = np.where(np.isfinite(reward), reward, 0.0)
    direction = rng.uniform(-beta, beta, size=reward.shape) / 2

    def policy(along, price=beta, reference=ref):
        return np.exp(optimal.optimal_log_policy(reward + along * direction, reference, price))

    def value(along, price=beta, reference=ref):
        return price * optimal.log_partition(reward + along * direction, reference, price)

    scale = 1 + beta + np.abs(finite).max()
    total = sum(w * (policy(at) * direction).sum(axis=-1) for at, w in zip(nodes, weights, strict=True))
    yield Measured("J* along a change of reward", value(1.0) - value(0.0), total, scale)

    prices = beta * (1 + 0.05 * nodes)
    total = sum(w * _kl(policy(0.0, price), ref) for price, w in zip(prices, weights, strict=True))
    yield Measured("J* along a change of beta", value(0.0, beta * 1.05) - value(0.0), -0.05 * beta * total, scale)

    def covariance(at):
        mean = (at * direction).sum(axis=-1, keepdims=True)
        return at * (direction - mean) / beta

    total = sum(w * covariance(policy(at)) for at, w in zip(nodes, weights, strict=True))
    yield Measured("pi* along a change of reward", policy(1.0) - policy(0.0), total, 1 + np.abs(finite).max() / beta)

    tilt = rng.normal(size=ref.shape) / 4
    ends = [_normalised(ref + end * tilt) for end in (0.0, 1.0)]

    def slope(at):
        middle = _normalised(ref + at * tilt)
        speed = tilt - (np.exp(middle) * tilt).sum(axis=-1, keepdims=True)  # of the normalised reference
        return beta * (policy(0.0, beta, middle) * speed).sum(axis=-1)

    total = sum(w * slope(at) for at, w in zip(nodes, weights, strict=True))
    yield Measured("J* along a change of reference", value(0.0, beta, ends[1]) - value(0.0, beta, ends[0]), total, scale)


def _normalised(score):
    return score - np.logaddexp.reduce(score, axis=-1, keepdims=True)


def _kl(policy, log_ref):
    ratio = np.where(policy > 0, np.log(np.where(policy > 0, policy, 1.0)) - np.where(np.isfinite(log_ref), log_ref, 0.0), 0.0)
    return (policy * ratio).sum(axis=-1)


def no_price():
    low, high = np.array([[0.0, 1e-9]]), np.array([[1e-9, 0.0]])
    ref = np.log([[0.5, 0.5]])
    jump = np.exp(optimal.optimal_log_policy(low, ref, 1e-12)) - np.exp(optimal.optimal_log_policy(high, ref, 1e-12))
    return breaks(
        np.abs(jump).max() > 0.99,
        problem="pi_ref = (1/2, 1/2), r = (0, 1e-9) and (1e-9, 0), beta = 1e-12 on the way to 0",
        expected="pi* differentiable in r",
        got=f"pi* moves by {np.abs(jump).max():.3f}",
        because="C(pi*)/beta is unbounded as beta -> 0: at beta = 0, J* = max r has a kink where rewards tie",
    )


def off_the_tangent():
    ref, reward = np.array([[np.log(0.5), np.log(0.5)]]), np.array([[1.0, 0.0]])
    try:
        optimal.log_partition(reward, ref + 0.01, 1.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    step = 0.01 * np.array([[1.0, 0.0]])
    gain = optimal.log_partition(reward, _normalised(ref + step), 1.0) - optimal.log_partition(reward, ref, 1.0)
    promised = (np.exp(optimal.optimal_log_policy(reward, ref, 1.0)) * step).sum(axis=-1)
    return breaks(
        abs(gain[0] - promised[0]) > 0.003,
        problem="pi_ref = (1/2, 1/2), r = (1, 0), beta = 1, log pi_ref,1 raised by 0.01 and normalised again",
        expected=f"J* rises by beta pi*_1 0.01 = {promised[0]:.5f}",
        got=f"{gain[0]:.5f}; unnormalised: {refused}",
        because="normalising lowers the other entry: only tangent directions count",
    )


CLAIM = Claim(
    id="C10",
    aliases=("envelope",),
    statement=__doc__,
    source=Source("derived here", "for eq. 4 of arXiv:2305.18290"),
    assumes=("beta > 0", "log pi_ref moves along the simplex"),
    derive=derive,
    certify=certify,
    edges={"beta > 0": no_price, "log pi_ref moves along the simplex": off_the_tangent},
)
