r"""At the optimum the normalised policy gradient has zero variance.

Single-sample estimator in the logits: y ~ pi, g = (r(y) - beta log pi(y)/pi_ref(y) - b) grad log pi(y), b a baseline. At pi = pi*

    tr Cov(g) = (beta log Z - b)^2 tr C(pi*),    C(pi) = diag(pi) - pi pi^T,

so with two actions or more the variance is 0 iff b = beta log Z, which is the normalised reward f(r) of eq. 10. With the raw
reward it is (beta log Z)^2 tr C(pi*).

Why: at pi* the integrand is beta log Z - b for every action, and grad log pi = e_y - pi has covariance C(pi). Its trace
1 - sum pi^2 = sum pi (1 - pi) is positive unless one action has all the probability.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims import reinforce
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, k, log_ref, reward
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.instances import T1
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    pi = best.each(sp.exp)
    names = {log_z: r"\log Z"}
    integrand = reward - beta * (best - log_ref)
    yield Step("the integrand at pi*", integrand[k], beta * log_z, "log pi*/pi_ref = r/beta - log Z", names=names)
    yield Step(
        "the trace of C(pi*)",
        reinforce.variance(pi, pi.each(lambda _: sp.S.One)),
        (pi * (1 - pi)).sum(),
        "tr Cov(e_y) = 1 - sum pi^2",
        names=names,
    )
    yield Step(
        "the variance with baseline c",
        reinforce.variance(pi, integrand - c),
        (beta * log_z - c) ** 2 * (pi * (1 - pi)).sum(),
        "0 iff c = beta log Z",
        names=names,
    )
    yield Step(
        "the variance with the normalised reward",
        reinforce.variance(pi, optimal.project_reward(reward, log_ref, beta) - beta * (best - log_ref)),
        0,
        "the integrand of eq. 10 vanishes",
        names=names,
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    value = bandit.beta * optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta)
    price = bandit.beta * (best - bandit.log_ref)
    normal = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta) - price
    terms = score_terms(bandit).max(axis=-1) ** 2
    for x, pi in enumerate(np.exp(best)):
        raw = reinforce.variance_by_table(pi, (bandit.reward - price)[x])
        trace = float((pi * (1 - pi)).sum())
        yield Measured("variance with the raw reward", raw, value[x] ** 2 * trace, terms[x])
        yield Measured("variance with the normalised reward", reinforce.variance_by_table(pi, normal[x]), 0.0, terms[x])


def raw_reward():
    bandit = T1()
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    signal = bandit.reward - bandit.beta * (best - bandit.log_ref)
    spread = float(reinforce.variance_by_table(np.exp(best)[0], signal[0]))
    return breaks(
        spread > 0.01,
        problem="T1 at pi = pi*, raw reward",
        expected="variance 0",
        got=f"{spread:.6f}",
        because="beta log Z is not 0, and it multiplies the score",
    )


def at_the_reference():
    bandit = T1()
    signal = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)
    spread = float(reinforce.variance_by_table(np.exp(bandit.log_ref)[0], signal[0]))
    return breaks(
        spread > 0.01,
        problem="T1 at pi = pi_ref, normalised reward",
        expected="variance 0",
        got=f"{spread:.6f}",
        because="away from pi* the integrand depends on the action (claim D22d)",
    )


def one_action():
    spread = float(reinforce.variance_by_table(np.array([1.0]), np.array([5.0])))
    return breaks(
        spread == 0.0,
        problem="one action, integrand 5",
        expected="positive variance without the normaliser",
        got=f"{spread}",
        because="the score of the only action is 0",
    )


CLAIM = Claim(
    id="D22b",
    aliases=("zero-variance-at-the-optimum",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on eq. 10"),
    assumes=("the reward is normalised", "pi = pi*", "for `only if`: two actions or more"),
    derive=derive,
    certify=certify,
    edges={
        "the reward is normalised": raw_reward,
        "pi = pi*": at_the_reference,
        "for `only if`: two actions or more": one_action,
    },
)
