r"""The human-completion baseline is a biased estimate of the normaliser.

    beta log Z(x) - E_{y ~ pi_ref}[r(x, y)] = beta KL(pi_ref || pi*) >= 0,

and it is 0 iff r(x, .) is constant on the support of pi_ref.

Section 5.2 calls the reward of a human completion "essentially a single sample Monte-Carlo estimate of the normalizing term". It
underestimates that term for every reward that is not constant; on T1 by .3958.

Why: log pi_ref/pi* = log Z - r/beta; take the mean under pi_ref. Then KL(pi_ref || pi*) = sum pi_ref g(log pi*/pi_ref) with
g(u) = e^u - 1 - u >= 0, and g(u) = 0 only at u = 0, where r = beta log Z.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, log_ref, reward, sums_to_one
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Row, Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    ref_is_policy = (sums_to_one(log_ref),)
    names = {log_z: r"\log Z"}
    yield Step(
        "the bias",
        beta * log_z - expectation(log_ref, reward),
        beta * optimal.kl_divergence(log_ref, best),
        "log pi_ref/pi* = log Z - r/beta",
        facts=ref_is_policy,
        names=names,
    )
    u = sp.Symbol("u", real=True)
    gap = sp.exp(u) - 1 - u
    yield Step(
        "KL in terms that are >= 0",
        optimal.kl_divergence(log_ref, best),
        (log_ref.each(sp.exp) * (best - log_ref).each(lambda ratio: gap.subs(u, ratio))).sum(),
        "the two sums of probabilities cancel",
        facts=ref_is_policy,
        names=names,
    )
    yield Step("g is strictly convex", sp.diff(gap, u, 2), 0, "g'' = e^u > 0", relation=">", sizes="")
    yield Step("g has its minimum at 0", sp.diff(gap, u).subs(u, 0), 0, "g'(0) = 0", sizes="")
    yield Step("the minimum of g is 0", gap.subs(u, 0), 0, "g(0) = 0", sizes="")
    yield Step(
        "no bias for a constant reward",
        beta * optimal.log_partition(Row(lambda _: c), log_ref, beta),
        c,
        "Z = exp(c/beta)",
        facts=ref_is_policy,
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    value = bandit.beta * optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta)
    ref = np.exp(bandit.log_ref)
    mean = (ref * bandit.reward).sum(axis=-1)
    kl = (ref * (bandit.log_ref - best)).sum(axis=-1)
    size = np.abs(value) + (ref * score_terms(bandit)).sum(axis=-1)
    yield Measured("beta log Z - E_ref[r] against beta KL(pi_ref || pi*)", value - mean, bandit.beta * kl, size)
    yield Measured("E_ref[r] below beta log Z", mean, value, relation="<")


def other_author():
    ref, reward = np.array([0.5, 0.5]), np.array([1.0, -1.0])
    best = np.exp(optimal.optimal_log_policy(reward, np.log(ref), 1.0))
    bias = float(optimal.log_partition(reward, np.log(ref), 1.0) - best @ reward)
    return breaks(
        bias < 0,
        problem="ref = (1/2, 1/2), r = (1, -1), beta = 1, the completion is drawn from pi*",
        expected="beta log Z - E[r] >= 0",
        got=f"{bias:.6f}, which is -beta KL(pi* || pi_ref)",
        because="a good author's mean reward lies above the normaliser",
    )


def negative_beta():
    ref, reward, b = np.array([0.5, 0.5]), np.array([1.0, -1.0]), -1.0
    bias = float(b * np.log(ref @ np.exp(reward / b)) - ref @ reward)
    return breaks(
        bias < 0,
        problem="ref = (1/2, 1/2), r = (1, -1), beta = -1",
        expected="beta log Z - E[r] >= 0",
        got=f"{bias:.6f}",
        because="beta KL changes its sign with beta",
    )


CLAIM = Claim(
    id="D23",
    aliases=("human-baseline",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on the human-completion baseline"),
    assumes=("the completion is drawn from pi_ref", "beta > 0"),
    derive=derive,
    certify=certify,
    edges={"the completion is drawn from pi_ref": other_author, "beta > 0": negative_beta},
)
