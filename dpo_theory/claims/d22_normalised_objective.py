r"""Eq. 10: the objective with the normalised reward is minus a KL divergence.

    E_pi[ f(r) - beta log pi/pi_ref ] = -beta KL(pi || pi*) <= 0,    f(r) = r - beta log Z(x),

for every policy pi << pi_ref, with 0 only at pi = pi*. It is the objective of eq. 3 less beta log Z(x), which does not depend on
pi, so both have one maximiser.

Why: f(r) - beta log pi/pi_ref = -beta log pi/pi* for every action; KL >= 0 with equality only at pi* is claim D03b.
"""

import numpy as np

from bandits.solve import maximise_value
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    f = optimal.project_reward(reward, log_ref, beta)
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    yield Step(
        "the integrand is -beta log pi/pi*",
        (f - beta * (log_policy - log_ref))[k],
        -beta * (log_policy - best)[k],
        "log pi* = log pi_ref + f(r)/beta",
        names={log_z: r"\log Z"},
    )
    yield Step(
        "the objective of eq. 10 is -beta KL(pi || pi*)",
        optimal.objective(log_policy, f, log_ref, beta),
        -beta * expectation(log_policy, log_policy - best),
        "the mean of the integrand",
        names={log_z: r"\log Z"},
    )
    yield Step(
        "it differs from eq. 3 by beta log Z",
        optimal.objective(log_policy, reward, log_ref, beta) - optimal.objective(log_policy, f, log_ref, beta),
        beta * log_z,
        "a constant in pi",
        facts=(sums_to_one(log_policy),),
    )
    yield Step("it is 0 at pi*", optimal.objective(best, f, log_ref, beta), 0, "the integrand vanishes there")


def certify(bandit, rng):
    if not full_support(bandit):
        return
    log_pi = random_log_policy(bandit, rng)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    f = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)
    normal = bandit.replace(reward=f)
    pi, terms = np.exp(log_pi), score_terms(bandit) + bandit.beta * np.abs(log_pi)
    kl = (pi * (log_pi - best)).sum(axis=-1)
    yield Measured("eq. 10 against -beta KL(pi || pi*)", normal.values(log_pi), -bandit.beta * kl, (pi * terms).sum(-1))
    yield Measured("eq. 10 at pi*", normal.values(best), 0.0, (np.exp(best) * terms).sum(axis=-1))
    yield Measured("eq. 10 is below 0 elsewhere", normal.values(log_pi), 0.0, relation="<")


def search(bandit, rng):
    if not full_support(bandit):
        return
    f = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)
    found = maximise_value(bandit.replace(reward=f), rng=rng)
    raw = maximise_value(bandit, rng=rng)
    yield Measured("the best value found for eq. 10", found.value, 0.0, score_terms(bandit).max())
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(raw.log_policy)).sum(axis=-1)
    yield Measured("total variation between the optima of eq. 3 and eq. 10", distance, 0.0, tolerance=1e-9)


def unnormalised():
    weights, ref = np.array([0.25, 0.25]), np.array([0.5, 0.5])
    value = float(weights @ (0.0 - np.log(weights / ref)))
    return breaks(
        value > 0,
        problem="ref = (1/2, 1/2), r = (0, 0), beta = 1, weights pi = (1/4, 1/4)",
        expected="the objective is at most 0",
        got=f"{value:.6f}",
        because="pi sums to 1/2, and sum pi log pi/pi* of such weights may be negative",
    )


def negative_beta():
    pi, ref, b = np.array([0.75, 0.25]), np.array([0.5, 0.5]), -1.0
    value = float(pi @ (0.0 - b * np.log(pi / ref)))
    return breaks(
        value > 0,
        problem="ref = (1/2, 1/2), r = (0, 0), beta = -1, pi = (3/4, 1/4)",
        expected="the objective is at most 0",
        got=f"{value:.6f}",
        because="-beta KL changes its sign with beta",
    )


CLAIM = Claim(
    id="D22",
    aliases=("eq10", "normalised-objective"),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, eq. 10"),
    assumes=("pi sums to 1", "beta > 0"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"pi sums to 1": unnormalised, "beta > 0": negative_beta},
)
