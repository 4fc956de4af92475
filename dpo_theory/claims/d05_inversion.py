r"""Reward in terms of its optimal policy.

    r(x, y) = beta log pi_r(y|x) / pi_ref(y|x) + beta log Z(x)

wherever pi_ref(y|x) > 0. Conversely beta log pi/pi_ref has log Z = 0 and pi as its optimum, for every policy pi.

Why: take the logarithm of eq. 4; for the converse, sum pi_ref exp(log pi/pi_ref) = sum pi = 1.
"""

import numpy as np

from bandits.problem import TabularBandit
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.proof import Step


def derive():
    log_z = optimal.log_partition(reward, log_ref, beta)
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    recovered = optimal.implicit_reward(best, log_ref, beta) + beta * log_z
    yield Step("eq. 5", recovered[k], reward[k], "the logarithm of eq. 4", names={log_z: r"\log Z"})
    implied = optimal.implicit_reward(log_policy, log_ref, beta)
    facts = (sums_to_one(log_policy),)
    yield Step("log Z of an implicit reward", optimal.log_partition(implied, log_ref, beta), 0, "sum pi = 1", facts=facts)
    again = optimal.optimal_log_policy(implied, log_ref, beta)
    yield Step("pi is optimal for its implicit reward", again[k], log_policy[k], "Z = 1", facts=facts)


def certify(bandit, rng):
    if not bandit.support.all():
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    log_z = optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta)
    recovered = optimal.implicit_reward(best, bandit.log_ref, bandit.beta) + bandit.beta * log_z[:, None]
    finite = np.isfinite(bandit.reward)
    terms = bandit.beta * (np.abs(best) + np.abs(bandit.log_ref) + np.abs(log_z)[:, None])
    yield Measured("beta log pi*/ref + beta log Z against r", recovered[finite], bandit.reward[finite], terms[finite])
    log_pi = np.log(rng.dirichlet(np.ones(bandit.n_actions), size=bandit.n_contexts))
    implied = optimal.implicit_reward(log_pi, bandit.log_ref, bandit.beta)
    scale = 1 + np.abs(log_pi - bandit.log_ref).max()
    yield Measured("log Z of an implicit reward", optimal.log_partition(implied, bandit.log_ref, bandit.beta), 0.0, scale)
    again = optimal.optimal_log_policy(implied, bandit.log_ref, bandit.beta)
    yield Measured("its optimal policy", again, log_pi, 1 + np.abs(log_pi) + scale)


def off_support():
    log_ref = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
    first, second = (np.exp(optimal.optimal_log_policy([[0.0, 0.0, last]], log_ref, 1.0)).tolist() for last in (1.0, 5.0))
    try:
        optimal.implicit_reward(optimal.optimal_log_policy([[0.0, 0.0, 1.0]], log_ref, 1.0), log_ref, 1.0)
    except ValueError as error:
        return breaks(
            first == second,
            problem="ref = (1/2, 1/2, 0), r = (0, 0, 1) and (0, 0, 5), beta = 1",
            expected="the policy gives the reward back",
            got=f"pi* = {first[0]} for both; implicit_reward refuses: {error}",
            because="log pi*/pi_ref is 0/0 off the support, so the reward there is lost",
        )
    return None


def no_price():
    ref, beta = [[0.0, 0.0]] - np.log([[2.0]]), 1e-4
    first, second = (np.exp(optimal.optimal_log_policy([[top, 0.0]], ref, beta)).tolist() for top in (1.0, 2.0))
    bandit = TabularBandit([1.0], [[1.0, 0.0]], ref, beta)
    return breaks(
        first == second and bandit.reward[0, 0] == 1.0,
        problem="ref = (1/2, 1/2), r = (1, 0) and (2, 0), beta -> 0 (1e-4, in probabilities)",
        expected="the policy gives the reward back",
        got=f"pi* = {first[0]} for both",
        because="at beta = 0 the optimum keeps only which answer is best",
    )


CLAIM = Claim(
    id="D05",
    aliases=("eq5", "inversion"),
    statement=__doc__,
    source=Source(PAPER, "eq. 5"),
    assumes=("pi_ref(y|x) > 0", "beta > 0"),
    derive=derive,
    certify=certify,
    edges={"pi_ref(y|x) > 0": off_support, "beta > 0": no_price},
)
