r"""Gibbs' inequality.

    KL(pi || rho) >= 0, and = 0 only for pi = rho;    KL is jointly convex in (pi, rho),

for laws pi << rho on finitely many answers.

Why: KL = sum pi_i g(log rho_i / pi_i) with g(u) = e^u - 1 - u; g(0) = g'(0) = 0 and g'' = e^u > 0, so g >= 0 and g = 0 only at 0.
Along (v, w) the second derivative is sum pi_i (v_i / pi_i - w_i / rho_i)^2. Rho vanishing where pi does adds terms that are >= 0.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import expectation, log_policy, log_ref, sums_to_one, t
from dpo_theory.proof import Row, Step, row


def derive():
    u = sp.Symbol("u", real=True)

    def g(x):
        return sp.exp(x) - 1 - x

    yield Step(
        "KL is a mean of g",
        optimal.kl_divergence(log_policy, log_ref),
        expectation(log_policy, (log_ref - log_policy).each(g)),
        "sum rho = sum pi = 1",
        facts=(sums_to_one(log_policy), sums_to_one(log_ref)),
    )
    yield Step("g(0) = 0", g(u).subs(u, 0), 0, sizes="")
    yield Step("g'(0) = 0", g(u).diff(u).subs(u, 0), 0, sizes="")
    yield Step("g'' > 0", g(u).diff(u, 2), relation=">", why="so g > 0 away from 0", sizes="")
    v, w = row("v"), row("w")
    along = optimal.kl_divergence(
        Row(lambda i: sp.log(sp.exp(log_policy[i]) + t * v[i])), Row(lambda i: sp.log(sp.exp(log_ref[i]) + t * w[i]))
    )
    squares = Row(lambda i: sp.exp(log_policy[i]) * (v[i] * sp.exp(-log_policy[i]) - w[i] * sp.exp(-log_ref[i])) ** 2).sum()
    yield Step("second derivative along (v, w)", sp.diff(along, t, 2).subs(t, 0), squares, "complete the square")
    yield Step("it is >= 0", squares, relation=">=", why="squares times probabilities")


def certify(bandit, rng):
    n, contexts = bandit.n_actions, bandit.n_contexts
    log_pi = np.where(bandit.support, np.log(rng.dirichlet(np.ones(n), size=contexts)), -np.inf)
    log_pi = log_pi - np.logaddexp.reduce(log_pi, axis=-1, keepdims=True)
    kl = optimal.kl_divergence(log_pi, bandit.log_ref)
    taken = log_pi > -np.inf
    gap = np.where(taken, bandit.log_ref, 0.0) - np.where(taken, log_pi, 0.0)
    off_policy = np.sum(np.where(taken, 0.0, np.exp(bandit.log_ref)), axis=-1)
    lemma = np.sum(np.exp(log_pi) * (np.expm1(gap) - gap), axis=-1) + off_policy
    scale = 1 + np.sum(np.exp(log_pi) * np.abs(gap), axis=-1)
    yield Measured("KL against the mean of g", kl, lemma, scale)
    yield Measured("KL of two different laws is positive", 0.0, kl, relation="<")
    yield Measured("KL of a law to itself", optimal.kl_divergence(bandit.log_ref, bandit.log_ref), 0.0)
    test = rng.normal(scale=3.0, size=log_pi.shape)
    dual = np.sum(np.exp(log_pi) * test, axis=-1) - np.log(np.sum(np.exp(bandit.log_ref + test), axis=-1))
    yield Measured("Fenchel: E_pi f - log E_rho e^f is below KL", dual, kl, 1 + np.abs(test).max(), relation="<=")


def not_normalised():
    log_pi, log_rho = np.log([0.5, 0.5]), np.log([1.0, 1.0])
    kl = float(np.sum(np.exp(log_pi) * (log_pi - log_rho)))
    return breaks(
        kl < 0,
        problem="pi = (1/2, 1/2), rho = (1, 1)",
        expected="sum pi log pi/rho >= 0",
        got=f"{kl:.6g}",
        because="rho does not sum to 1",
    )


def off_support():
    kl = optimal.kl_divergence(np.log([[0.5, 0.5]]), np.array([[0.0, -np.inf]]))[0]
    return breaks(
        kl == np.inf,
        problem="pi = (1/2, 1/2), rho = (1, 0)",
        expected="a finite mean of g",
        got=f"KL = {kl}",
        because="pi takes an answer that rho does not",
    )


CLAIM = Claim(
    id="D03b",
    aliases=("gibbs",),
    statement=__doc__,
    source=Source(PAPER, "App. A.1, used after eq. 14"),
    assumes=("both laws sum to 1", "pi << rho"),
    derive=derive,
    certify=certify,
    edges={"both laws sum to 1": not_normalised, "pi << rho": off_support},
)
