r"""The partition function can diverge.

On y = 0, 1, 2, ... with pi_ref(y) = (1 - q) q^y, 0 < q < 1, and r(y) = c y:    Z = (1 - q) / (1 - q e^{c/beta})  if  c/beta < log(1/q);
otherwise Z = inf, sup J = +inf, and eq. 4 defines no policy.

Why: on the first m answers Z_m = (1 - q)(1 - x^m) / (1 - x) with x = q e^{c/beta}, or (1 - q) m if x = 1: geometric, by induction on m.
It converges for x < 1, that is c/beta < log(1/q), and grows without bound otherwise. The tilted policy on the first m answers has
J = beta log Z_m, so sup J >= beta log Z_m for every m.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, log_ref, reward
from dpo_theory.proof import Step

C, M = sp.symbols("c m", real=True)
LOG_Q = sp.Symbol("log_q", real=True)
Q = sp.exp(LOG_Q)
TAIL = sp.Symbol("p", positive=True)  # p = 1 - q


def closed_form(m, log_x):
    return TAIL * (1 - sp.exp(m * log_x)) / (1 - sp.exp(log_x))


def truncated(m):
    rewards = np.array([C * y for y in range(m)], dtype=object)
    return rewards, np.array([sp.log(TAIL) + y * LOG_Q for y in range(m)], dtype=object)


def derive():
    log_x = LOG_Q + C / beta
    for m in (1, 2, 3, 4):
        z = sp.exp(optimal.log_partition(*truncated(m), beta))
        yield Step(f"Z_{m}", z, closed_form(sp.Integer(m), log_x), "geometric sum", sizes="")
    yield Step(
        "one more answer adds its term",
        closed_form(M + 1, log_x) - closed_form(M, log_x),
        TAIL * sp.exp(M * log_x),
        "so Z_m is the closed form for every m",
        sizes="every m, by induction",
    )
    critical = {C: -beta * LOG_Q}
    rewards, ref = truncated(4)
    at_edge = sp.exp(optimal.log_partition(np.array([r.subs(critical) for r in rewards], dtype=object), ref, beta))
    yield Step("at x = 1 every answer adds 1 - q", at_edge, 4 * TAIL, "q e^{c/beta} = 1", sizes="")
    gap = sp.Symbol("g", positive=True)
    yield Step(
        "below the threshold x < 1: Z_m converges",
        sp.limit(closed_form(M, -gap), M, sp.oo),
        TAIL / (1 - sp.exp(-gap)),
        "x^m -> 0",
        sizes="",
    )
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step(
        "the tilted policy on m answers has J = beta log Z_m",
        optimal.objective(best, reward, log_ref, beta),
        beta * optimal.log_partition(reward, log_ref, beta),
        "no row needs to sum to 1 for it but pi*'s own",
    )


def certify():
    q, beta = Fraction(1, 2), 0.7
    y = np.arange(60)
    for tilt in (Fraction(1, 2), Fraction(3, 2), Fraction(2), Fraction(3)):  # e^{c/beta}
        x = q * tilt
        terms = [(1 - q) * x**k for k in range(60)]
        closed = (1 - q) * (1 - x**60) / (1 - x) if x != 1 else (1 - q) * 60
        yield Measured(f"Z_60 in rationals, q = 1/2, e^(c/beta) = {tilt}", sum(terms), closed, exact=True)
        reward = beta * np.log(float(tilt)) * y
        log_ref = np.log(0.5) + y * np.log(0.5)
        log_ref[-1] += np.log(2.0)  # the last answer stands for the tail, so that the row sums to 1
        exact = float(sum(terms) + terms[-1])
        got = optimal.log_partition(reward, log_ref, beta)
        yield Measured(f"log Z of the code, e^(c/beta) = {tilt}", got, np.log(exact), 60.0)
        if x < 1:
            left = (1 - q) / (1 - x) - sum(terms)
            yield Measured("Z - Z_60 is the tail", left, (1 - q) * x**60 / (1 - x), exact=True)
        else:
            yield Measured("Z_60 grows at least like m", (1 - q) * 60, sum(terms), relation="<=", exact=True)


def quadratic_reward():
    q, c, beta = 0.5, 1e-4, 1.0
    y = np.array([0, 10_000, 100_000])
    ratio = np.log(q) + c * (2 * y + 1) / beta
    return breaks(
        bool(ratio[0] < 0 and (ratio[1:] > 0).all()),
        problem="q = 1/2, r(y) = 1e-4 y^2, beta = 1",
        expected="Z finite for a reward that grows slowly enough",
        got=f"log of the ratio of successive terms is {ratio.round(4).tolist()} at y = {y.tolist()}",
        because="a quadratic reward beats every geometric reference: Z = inf for every beta",
    )


CLAIM = Claim(
    id="D04d",
    aliases=("diverging-partition",),
    statement=__doc__,
    source=Source(PAPER, "eq. 4, for infinitely many answers"),
    assumes=("the reward grows linearly",),
    derive=derive,
    certify=certify,
    edges={"the reward grows linearly": quadratic_reward},
)
