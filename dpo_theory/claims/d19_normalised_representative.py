r"""Eq. 9: when a reward is its own representative.

For beta > 0 the following are equivalent in each context x:

    sum_y pi_ref(y|x) exp(r(x, y)/beta) = 1    (eq. 9);
    r = f(r), the projection of eq. 8;
    pi_ref(y|x) exp(r(x, y)/beta) is a policy pi, so that r = beta log pi/pi_ref;
    V(x) = max_pi E_pi[r] - beta KL(pi || pi_ref) = 0.

Why: the sum is Z(x), r - f(r) = beta log Z for every action, and V = beta log Z (claim D04); each vanishes iff Z = 1.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    log_z = optimal.log_partition(reward, log_ref, beta)
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    left = (log_ref + reward / beta).each(sp.exp).sum()
    yield Step("the left side of eq. 9 is Z", left, sp.exp(log_z), "definition of Z")
    yield Step(
        "r - f(r) is beta log of it",
        (reward - optimal.project_reward(reward, log_ref, beta))[k],
        beta * sp.log(left),
        "f(r) = r iff the sum is 1",
    )
    yield Step(
        "V is beta log of it",
        optimal.objective(best, reward, log_ref, beta),
        beta * sp.log(left),
        "V = 0 iff the sum is 1",
    )
    yield Step(
        "the implicit reward of a policy satisfies eq. 9",
        (log_ref + optimal.implicit_reward(log_policy, log_ref, beta) / beta).each(sp.exp).sum(),
        1,
        "the sum is that of pi",
        facts=(sums_to_one(log_policy),),
    )
    yield Step(
        "a reward is the implicit reward of pi_ref exp(r/beta)",
        optimal.implicit_reward(log_ref + reward / beta, log_ref, beta)[k],
        reward[k],
        "a policy iff the sum is 1",
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    terms = score_terms(bandit)
    normal = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)
    shift = 1 + rng.random((bandit.n_contexts, 1))
    size = 1 + terms.max(axis=-1) / bandit.beta
    for name, r, value in (
        ("f(r)", normal, np.zeros(bandit.n_contexts)),
        ("f(r) + c(x)", normal + shift, shift[:, 0]),
    ):
        total = np.exp(bandit.log_ref + r / bandit.beta).sum(axis=-1)
        yield Measured(f"the sum of eq. 9 for {name}", total / np.exp(value / bandit.beta), 1.0, size)
        fixed = r - optimal.project_reward(r, bandit.log_ref, bandit.beta)
        yield Measured(f"r - f(r) for {name}", fixed, value[:, None], terms)
        best = optimal.optimal_log_policy(r, bandit.log_ref, bandit.beta)
        worth = bandit.replace(reward=r).values(best)
        yield Measured(f"V for {name}", worth, value, (np.exp(best) * terms).sum(axis=-1))


def negative_beta():
    ref, reward, b = np.array([0.5, 0.5]), np.zeros(2), -1.0
    total = float(ref @ np.exp(reward / b))
    vertex = float(reward[0] - b * -np.log(ref[0]))
    return breaks(
        total == 1.0 and vertex > 0,
        problem="ref = (1/2, 1/2), r = (0, 0), beta = -1",
        expected="eq. 9 holds, so V = 0",
        got=f"the policy (1, 0) has the value {vertex:.6f}",
        because="with beta < 0 leaving the reference is rewarded",
    )


def unnormalised():
    log_policy = np.log([0.5, 0.25])
    reward = log_policy - np.log([0.5, 0.5])
    total = float(np.array([0.5, 0.5]) @ np.exp(reward))
    return breaks(
        abs(total - 0.75) < 1e-15,
        problem="ref = (1/2, 1/2), beta = 1, r = log pi/ref with pi = (1/2, 1/4)",
        expected="a reward of the form beta log pi/ref satisfies eq. 9",
        got=f"the sum is {total}",
        because="the sum of eq. 9 is the sum of pi",
    )


CLAIM = Claim(
    id="D19",
    aliases=("eq9", "normalised-representative"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, eq. 9"),
    assumes=("beta > 0", "pi sums to 1"),
    derive=derive,
    certify=certify,
    edges={"beta > 0": negative_beta, "pi sums to 1": unnormalised},
)
