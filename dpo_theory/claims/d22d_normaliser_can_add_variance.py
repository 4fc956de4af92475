r"""The normaliser can add variance.

Single-sample policy gradient in the logits of pi with signal A - b, A = r - beta log pi/pi_ref, b a constant baseline:

    V(b) - V(0) = T b (b - 2 b*),    T = E_pi|grad log pi|^2,    b* = E_pi[A |grad log pi|^2] / T.

So b* is the best baseline, and b reduces the variance iff it lies strictly between 0 and 2 b*. The normaliser b = beta log Z is
the best baseline at pi* (claim D22b). It is not at pi_ref: for ref = (1/2, 1/2), r = (s, -s), beta = 1

    V(0) = 0 < V(beta log Z) = (log cosh s)^2 / 2    for every s != 0,

and on T1 (ref = (.5, .3, .2), r = (1, 0, -1), beta = 1/2) at pi_ref the variance is .1878 raw, .4963 with beta log Z, .2472 with
the mean reward, .1877 with b* = -.0097.

Why: the mean does not depend on b (claim D22a), the second moment is quadratic in b. What the paper says of the normaliser is
"could": the unconditional reading is erratum E5.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims import reinforce
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.instances import T1
from dpo_theory.proof import Step


def derive():
    b = sp.Symbol("b", real=True)
    pi = log_policy.each(sp.exp)
    is_policy = (sums_to_one(log_policy),)
    signal = reward - beta * (log_policy - log_ref)
    pull = expectation(log_policy, signal * reinforce.score_norm(pi))
    yield Step(
        "T = sum pi (1 - pi)",
        expectation(log_policy, reinforce.score_norm(pi)),
        (pi * (1 - pi)).sum(),
        "|e_y - pi|^2 = 1 - 2 pi_y + sum pi^2",
        facts=is_policy,
    )
    yield Step(
        "V(b) - V(0) = T b^2 - 2 b T b*",
        reinforce.variance(pi, signal - b) - reinforce.variance(pi, signal),
        b**2 * (pi * (1 - pi)).sum() - 2 * b * pull,
        "T b* = E[A |grad log pi|^2]",
        facts=is_policy,
    )
    s = sp.Symbol("s", real=True)
    half, two = np.array([sp.S.Half] * 2), np.array([s, -s])
    normal = optimal.project_reward(two, np.array([-sp.log(2)] * 2), sp.S.One)
    yield Step("the smallest case, raw", reinforce.variance(half, two), 0, "both estimates are s (1/2, -1/2)", sizes="")
    yield Step(
        "the smallest case, normalised",
        reinforce.variance(half, normal),
        sp.log((sp.exp(s) + sp.exp(-s)) / 2) ** 2 / 2,
        "beta log Z = log cosh s",
        sizes="",
    )


def certify():
    """The two strict signs, in interval arithmetic, from every value that the estimator takes."""
    from mpmath import iv

    def enclosed(ref, reward, inverse_beta):
        policy = np.array([iv.mpf(p) / sum(ref) for p in ref])
        signal = np.array([iv.mpf(r) for r in reward])
        value = iv.log(sum(p * iv.exp(inverse_beta * r) for p, r in zip(policy, signal, strict=True))) / inverse_beta
        mean = (policy * signal).sum()
        return [reinforce.variance_by_table(policy, signal - b) for b in (iv.mpf(0), value, mean)]

    raw, normal, _ = enclosed((1, 1), (1, -1), 1)
    yield Measured("ref = (1/2, 1/2), r = (1, -1), beta = 1: raw below normalised", raw, normal, relation="<", exact=True)
    raw, normal, mean = enclosed((5, 3, 2), (1, 0, -1), 2)
    yield Measured("T1: raw below the mean baseline", raw, mean, relation="<", exact=True)
    yield Measured("T1: the mean baseline below normalised", mean, normal, relation="<", exact=True)


def at_the_optimum():
    bandit = T1()
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    price = bandit.beta * (best - bandit.log_ref)
    normal = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta) - price
    spread = [float(reinforce.variance_by_table(np.exp(best)[0], a[0])) for a in (bandit.reward - price, normal)]
    return breaks(
        spread[1] < spread[0],
        problem="T1 at pi = pi*",
        expected="the normaliser adds variance",
        got=f"it takes it from {spread[0]:.6f} to {spread[1]:.2g}",
        because="at pi* the normaliser is the best baseline",
    )


CLAIM = Claim(
    id="D22d",
    aliases=("normaliser-can-add-variance",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, a counterexample to the unconditional reading"),
    assumes=("pi is away from pi*",),
    derive=derive,
    certify=certify,
    edges={"pi is away from pi*": at_the_optimum},
)
