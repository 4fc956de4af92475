r"""No loss of generality: classes of rewards and positive policies are in bijection.

    class of r  ->  pi_r = pi_ref exp(r/beta)/Z          (well defined by Lemma 2)
    pi          ->  class of beta log pi/pi_ref

are inverse to each other, for tabular policies, pi_ref(y|x) > 0 and one fixed beta > 0. It says nothing about a parametric
family pi_theta, which reaches only some classes.

Why: going to the policy and back subtracts beta log Z(x) from r, which stays in the class; going to the reward and back divides
pi by its own sum, which is 1.
"""

import numpy as np

from dpo_theory import optimal, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, j, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    back = optimal.implicit_reward(best, log_ref, beta)
    yield Step(
        "the policy depends on the class alone",
        optimal.optimal_log_policy(reward + c, log_ref, beta)[k],
        best[k],
        "Lemma 2 (claim D16)",
    )
    yield Step(
        "reward to policy to reward stays in the class",
        (reward - back)[j],
        (reward - back)[k],
        "the difference is beta log Z for every action",
    )
    yield Step(
        "policy to reward to policy",
        optimal.optimal_log_policy(optimal.implicit_reward(log_policy, log_ref, beta), log_ref, beta)[k],
        log_policy[k],
        "log Z is the log of the sum of pi",
        facts=(sums_to_one(log_policy),),
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    log_pi = random_log_policy(bandit, rng)
    terms = score_terms(bandit)
    implied = optimal.implicit_reward(log_pi, bandit.log_ref, bandit.beta)
    again = optimal.optimal_log_policy(implied, bandit.log_ref, bandit.beta)
    yield Measured("policy to reward to policy", again, log_pi, np.abs(log_pi) + np.abs(bandit.log_ref))
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    back = bandit.reward - optimal.implicit_reward(best, bandit.log_ref, bandit.beta)
    yield Measured("reward to policy to reward, less the reward", back, back[:, :1], terms + terms[:, :1])


def one_parameter():
    """pi_theta = softmax(theta (0, 1, 2)) over three actions: log pi is an arithmetic progression."""
    features = np.array([0.0, 1.0, 2.0])
    bends = [float(np.diff(features * theta - np.log(np.exp(features * theta).sum()), n=2)[0]) for theta in (-2, 0, 0.5, 3)]
    wanted = float(np.diff([0.0, 1.0, 0.0], n=2)[0])
    return breaks(
        np.abs(bends).max() < 1e-12 and wanted == -2.0,
        problem="uniform ref on three actions, beta = 1, pi_theta = softmax(theta (0, 1, 2)), r = (0, 1, 0)",
        expected="some pi_theta represents the class of r, so r_1 - 2 r_2 + r_3 = -2",
        got="r_1 - 2 r_2 + r_3 = 0 for every theta",
        because="the family is a curve in the two-dimensional space of classes",
    )


def unsupported():
    with np.errstate(divide="ignore"):
        log_ref = np.log(np.array([[0.5, 0.5, 0.0]]))
    first, second = np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 0.0, 5.0]])
    policies = [optimal.optimal_log_policy(r, log_ref, 1.0) for r in (first, second)]
    return breaks(
        np.array_equal(*policies) and not rewards.same_class(first, second),
        problem="ref = (1/2, 1/2, 0), beta = 1, r = (0, 0, 1), r' = (0, 0, 5)",
        expected="different classes have different policies",
        got=f"both have pi = {np.exp(policies[0])[0].tolist()}",
        because="the third action is never taken",
    )


def two_betas():
    log_ref = np.log(np.array([[0.5, 0.5]]))
    policy = optimal.optimal_log_policy([[1.0, 0.0]], log_ref, 1.0)
    back = optimal.implicit_reward(policy, log_ref, 2.0)
    return breaks(
        not rewards.same_class(back, np.array([[1.0, 0.0]])),
        problem="ref = (1/2, 1/2), r = (1, 0), policy at beta = 1, reward at beta = 2",
        expected="the reward read off the policy is in the class of r",
        got=f"r_1 - r_2 = {float(back[0, 0] - back[0, 1]):.6f}, not 1",
        because="only r / beta is identified",
    )


CLAIM = Claim(
    id="D21",
    aliases=("no-loss-of-generality", "bijection"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, after Theorem 1"),
    assumes=("the policy is tabular", "pi_ref(y|x) > 0", "one fixed beta > 0"),
    derive=derive,
    certify=certify,
    edges={
        "the policy is tabular": one_parameter,
        "pi_ref(y|x) > 0": unsupported,
        "one fixed beta > 0": two_betas,
    },
)
