r"""Limits in beta.

As beta -> inf, pi* -> pi_ref. As beta -> 0+, pi* -> pi_ref conditioned on the best supported answers, and J* -> max r over the
support. With M the largest and m the smallest supported reward, B the best answers and g the gap to the next reward:

    |log pi*/pi_ref| <= (M - m) / beta,    pi*(not B) <= e^{-g/beta} / pi_ref(B),    M + beta log pi_ref(B) <= J* <= M.

Why: the odds are pi*_k / pi*_j = (pi_ref_k / pi_ref_j) e^{(r_k - r_j)/beta}: those of a worse answer vanish, those of equals stay.
With S = 1/beta the log-ratio is S r_k - log Z, and log Z lies between S m and S M as a mean of exponentials.
For k in B: J* = r_k + beta (log pi_ref_k - log pi*_k), where pi*_k = (pi_ref_k / pi_ref(B)) pi*(B).
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, j, k, log_ref, reward, sums_to_one
from dpo_theory.proof import Row, Step, nf


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    names = {log_z: r"\log Z"}
    odds = sp.exp(log_ref[k] - log_ref[j]) * sp.exp((reward[k] - reward[j]) / beta)
    yield Step("the odds", sp.exp(best[k] - best[j]), odds, "Z cancels")
    yield Step(
        "J* seen from any answer",
        optimal.objective(best, reward, log_ref, beta),
        reward[k] + beta * (log_ref[k] - best[k]),
        "J* = beta log Z and eq. 5",
        names=names,
    )
    gap = sp.Symbol("g", positive=True)
    worse = nf(sp.exp(best[k] - best[j])).subs(reward[k], reward[j] - gap)
    kept = sp.exp(log_ref[k] - log_ref[j])
    yield Step("a worse answer vanishes as beta -> 0+", sp.limit(worse, beta, 0, "+"), 0, "e^{-g/beta}", sizes="")
    yield Step("its odds return to the reference's", sp.limit(worse, beta, sp.oo), kept, "e^0", sizes="")
    ties = nf(sp.exp(best[k] - best[j])).subs(reward[k], reward[j])
    yield Step("equal answers keep the reference's odds", ties, kept, "e^0 for every beta", sizes="")
    yield Step(
        "Z - 1 is the mean of e^{r/beta} - 1",
        sp.exp(log_z) - 1,
        expectation(log_ref, Row(lambda i: sp.exp(reward[i] / beta) - 1)),
        "sum pi_ref = 1",
        facts=(sums_to_one(log_ref),),
        names=names,
    )
    slack = sp.Symbol("d", nonnegative=True)  # e^{|r|/beta} - 1
    yield Step("if the largest reward is 0, Z <= 1", 1 - sp.exp(-sp.log(1 + slack)), relation=">=", sizes="")
    yield Step("if the smallest reward is 0, Z >= 1", sp.exp(sp.log(1 + slack)) - 1, relation=">=", sizes="")
    fall = sp.diff(beta * log_z, beta)
    kl = optimal.kl_divergence(best, log_ref)
    yield Step("J* falls in beta at the rate KL(pi*||pi_ref)", fall, -kl, "the envelope theorem", names=names)
    yield Step("E[r] - beta KL at pi*", expectation(best, reward) - beta * kl, beta * log_z, "eq. 3", names=names)


def certify(bandit, rng):
    for row, ref in zip(bandit.reward, bandit.log_ref, strict=True):
        taken = np.isfinite(row) & (ref > -np.inf)
        values = row[taken]
        top, bottom = values.max(), values.min()
        best = values == top
        mass = np.exp(ref[taken])[best].sum()
        gap = top - values[~best].max(initial=-np.inf)
        for price in bandit.beta * np.array([0.01, 0.1, 1.0, 10.0, 1e4]):
            log_pi = optimal.optimal_log_policy(row, ref, price)
            value = price * optimal.log_partition(row, ref, price)
            scale = 1 + np.abs(values).max() / price + np.abs(ref[taken]).max()
            yield Measured("J* <= M", value, top, price * scale, relation="<=")
            yield Measured("M + beta log ref(B) <= J*", top + price * np.log(mass), value, price * scale, relation="<=")
            rest = np.exp(log_pi[taken][~best]).sum()
            yield Measured("pi*(not B)", rest, np.exp(-gap / price) / mass, scale, relation="<=")
            if np.isfinite(row).all():
                ratio = np.abs(log_pi[taken] - ref[taken]).max()
                yield Measured("|log pi*/ref|", ratio, (top - bottom) / price, scale, relation="<=")


def infinitely_many_answers():
    y = np.arange(1, 5001)
    log_ref = -0.01 * y - np.log(np.sum(np.exp(-0.01 * y)))
    means = [float(np.exp(optimal.optimal_log_policy(-1 / y, log_ref, b)) @ y) for b in (1e-1, 1e-2, 1e-3)]
    return breaks(
        means[0] < means[1] < means[2],
        problem="ref_y proportional to e^{-y/100}, r_y = -1/y, y = 1, 2, 3, ... (computed up to 5000), beta = .1, .01, .001",
        expected="pi* tends to the reference conditioned on the best answers",
        got=f"the mean answer of pi* is {[round(mean, 1) for mean in means]}",
        because="no answer is best, and the mass leaves every finite set",
    )


def forbidden_answer():
    log_pi = optimal.optimal_log_policy([[0.0, -np.inf]], np.log([[0.5, 0.5]]), 1e6)[0]
    return breaks(
        log_pi[1] == -np.inf,
        problem="ref = (1/2, 1/2), r = (0, -inf), beta = 1e6",
        expected="pi* close to ref",
        got=f"pi* = {np.exp(log_pi).tolist()}",
        because="an infinite penalty is not small at any beta",
    )


CLAIM = Claim(
    id="D04c",
    aliases=("beta-limits",),
    statement=__doc__,
    source=Source(PAPER, "eq. 4"),
    assumes=("finitely many answers", "r is finite"),
    derive=derive,
    certify=certify,
    edges={"finitely many answers": infinitely_many_answers, "r is finite": forbidden_answer},
)
