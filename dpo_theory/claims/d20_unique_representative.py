r"""Proposition 1: each class has one representative of the form beta log pi/pi_ref.

    If pi_ref(y|x) > 0 for all (x, y), beta > 0, both policies sum to 1 and
    beta log pi/pi_ref ~ beta log pi'/pi_ref,    then pi = pi'.

Why: pi' = pi exp(f(x)/beta) for the function f by which they differ; summing over y gives exp(f(x)/beta) = 1, so f = 0.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    is_policy = (sums_to_one(log_policy),)
    implied = optimal.implicit_reward(log_policy, log_ref, beta)
    yield Step(
        "a shift of the implicit reward multiplies the policy",
        optimal.implicit_reward(log_policy + c / beta, log_ref, beta)[k],
        (implied + c)[k],
        "pi' = pi exp(c/beta)",
    )
    yield Step(
        "the shifted policy sums to exp(c/beta)",
        (log_policy + c / beta).each(sp.exp).sum(),
        sp.exp(c / beta),
        "which is 1 only for c = 0",
        facts=is_policy,
    )
    yield Step(
        "log Z of the shifted reward",
        optimal.log_partition(implied + c, log_ref, beta),
        c / beta,
        "eq. 9 singles out c = 0",
        facts=is_policy,
    )
    yield Step(
        "the projection returns the representative from anywhere in its class",
        optimal.project_reward(implied + c, log_ref, beta)[k],
        implied[k],
        "so it is the only one",
        facts=is_policy,
    )
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step("pi_r exists and is a policy", best.each(sp.exp).sum(), 1, "claim D17: there is one")


def certify(bandit, rng):
    if not full_support(bandit):
        return
    log_pi = random_log_policy(bandit, rng)
    implied = optimal.implicit_reward(log_pi, bandit.log_ref, bandit.beta)
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    terms = score_terms(bandit) + bandit.beta * np.abs(log_pi) + np.abs(shift)
    shifted = implied + shift
    found = optimal.optimal_log_policy(shifted, bandit.log_ref, bandit.beta)
    yield Measured("the policy of a shifted representative", found, log_pi, terms / bandit.beta)
    back = optimal.project_reward(shifted, bandit.log_ref, bandit.beta)
    yield Measured("the projection of a shifted representative", back, implied, terms)
    other = random_log_policy(bandit, rng)
    same = rewards.same_class(implied, optimal.implicit_reward(other, bandit.log_ref, bandit.beta))
    yield Measured("another policy represents this class", same, False)


def unsupported():
    first, second = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    on_support = np.log(first[:2] / 0.5), np.log(second[:2] / 0.5)
    return breaks(
        rewards.same_class(on_support[0][None], on_support[1][None]) and first.sum() == second.sum() == 1.0,
        problem="ref = (1/2, 1/2, 0), beta = 1, pi = (1/2, 1/2, 0), pi' = (1/4, 1/4, 1/2)",
        expected="log-ratios that differ by a constant come from one policy",
        got=f"on the support they are {on_support[0].tolist()} and {on_support[1].round(6).tolist()}",
        because="pi' puts mass where the log-ratio is not seen, so the sum over the support does not fix the constant",
    )


def unnormalised():
    log_ref = np.log(np.array([[0.5, 0.5]]))
    first, second = np.log([[0.75, 0.25]]), np.log([[1.5, 0.5]])
    return breaks(
        rewards.same_class(first - log_ref, second - log_ref) and not np.allclose(first, second),
        problem="ref = (1/2, 1/2), beta = 1, pi = (3/4, 1/4), pi' = (3/2, 1/2)",
        expected="one representative",
        got="log pi/ref and log pi'/ref = log pi/ref + log 2",
        because="pi' does not sum to 1",
    )


def no_price():
    represented = [0.0 * np.log(np.array([pi]) / 0.5) for pi in ([0.75, 0.25], [0.5, 0.5])]
    return breaks(
        np.array_equal(*np.abs(represented)),
        problem="ref = (1/2, 1/2), beta = 0, pi = (3/4, 1/4), pi' = (1/2, 1/2)",
        expected="different policies have different implicit rewards",
        got="both are (0, 0)",
        because="at beta = 0 every policy represents the class of constants",
    )


CLAIM = Claim(
    id="D20",
    aliases=("proposition1", "unique-representative"),
    statement=__doc__,
    source=Source(PAPER, "App. A.6, Proposition 1"),
    assumes=("pi_ref(y|x) > 0", "pi sums to 1", "beta > 0"),
    derive=derive,
    certify=certify,
    edges={"pi_ref(y|x) > 0": unsupported, "pi sums to 1": unnormalised, "beta > 0": no_price},
)
