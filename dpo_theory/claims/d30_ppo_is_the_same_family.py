r"""PPO solved exactly is the same family of policies.

The penalised form, max E_pi[r] - beta KL, has the optimum of claim D04 for whatever reward is put in: the true one (PPO-GT) or
a fitted one (PPO). The constrained form

    max E_pi[r]    subject to    KL(pi || pi_ref) <= k,    0 < k < -log pi_ref(argmax r),

has the one solution pi_beta with KL(pi_beta || pi_ref) = k. So a policy found by any method that lies above PPO-GT's point
(more reward, no more KL) shows that PPO-GT was not solved, not that another optimum is better.

Why: E[r] at pi_beta minus E[r] at pi is beta KL(pi || pi_beta) + beta (k - KL(pi)), and both are >= 0 when KL(pi) <= k.
"""

import numpy as np
from scipy.optimize import brentq, minimize

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.claims.rungs import full_support
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    kl_best, kl = optimal.kl_divergence(best, log_ref), optimal.kl_divergence(log_policy, log_ref)
    yield Step(
        "what another policy lacks in reward is KL to pi_beta and KL that it did not spend",
        expectation(best, reward) - expectation(log_policy, reward),
        beta * optimal.kl_divergence(log_policy, best) + beta * (kl_best - kl),
        "both are >= 0 under the constraint (claim D03b), and 0 only at pi_beta",
        facts=(sums_to_one(log_policy),),
    )
    yield Step(
        "the penalised value of pi_beta is beta log Z for any reward put in",
        optimal.objective(best, reward, log_ref, beta),
        beta * optimal.log_partition(reward, log_ref, beta),
        "claim D04",
    )


def certify(bandit, rng):
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    budget = optimal.kl_divergence(best, bandit.log_ref)
    policy = _within(random_log_policy(bandit, rng), bandit.log_ref, budget)
    size = np.max(np.abs(np.where(policy > -np.inf, bandit.reward, 0)), axis=-1)
    yield Measured("KL of the other policy", optimal.kl_divergence(policy, bandit.log_ref), budget, 1 + budget, relation="<=")
    yield Measured("its reward against pi_beta's", _mean(bandit, policy), _mean(bandit, best), size, relation="<=")


def _mean(bandit, policy):
    return np.sum(np.exp(policy) * np.where(policy > -np.inf, bandit.reward, 0), axis=-1)


def _within(policy, log_ref, budget):
    """Halfway back to the reference until the budget is kept: KL is convex, so some mixture keeps it."""
    share = np.ones(len(policy))
    for _ in range(60):
        mixed = _mix(policy, log_ref, share)
        share = np.where(optimal.kl_divergence(mixed, log_ref) > budget, share / 2, share)
    return _mix(policy, log_ref, share)


def _mix(policy, log_ref, share):
    with np.errstate(divide="ignore"):
        kept = np.log(share)[:, None] + policy, np.log1p(-share)[:, None] + log_ref
    return np.logaddexp(*kept)


def search(bandit, rng):
    if not full_support(bandit) or np.ptp(bandit.reward, axis=-1).max() > 20 or np.exp(bandit.log_ref).min() < 1e-3:
        return
    for rewards, ref in zip(bandit.reward, bandit.log_ref, strict=True):
        most = -np.log(np.exp(ref)[rewards == rewards.max()].sum())
        budget = most * rng.uniform(0.1, 0.9)
        best = optimal.optimal_log_policy(rewards, ref, _price(rewards, ref, budget))
        found = _constrained(rewards, ref, budget)
        yield Measured("probabilities that the constrained search finds", found, np.exp(best), tolerance=1e-5)
        yield Measured("their reward", found @ rewards, np.exp(best) @ rewards, 1 + np.abs(rewards).max(), tolerance=1e-9)


def _price(rewards, log_ref, budget):
    """The beta at which pi_beta spends the budget."""

    def excess(log_price):
        policy = optimal.optimal_log_policy(rewards, log_ref, float(np.exp(log_price)))
        return optimal.kl_divergence(policy, log_ref) - budget

    return float(np.exp(brentq(excess, -6.0, 12.0, xtol=1e-13)))


def _constrained(rewards, log_ref, budget):
    """argmax of E[r] under KL <= budget over the simplex, by sequential quadratic programming."""
    simplex = {"type": "eq", "fun": lambda p: p.sum() - 1, "jac": np.ones_like}
    spend = {
        "type": "ineq",
        "fun": lambda p: budget - p @ (np.log(p) - log_ref),
        "jac": lambda p: -(np.log(p) - log_ref + 1),
    }
    least = [(1e-12, 1.0)] * len(rewards)
    options = {"ftol": 1e-15, "maxiter": 500}
    start = np.exp(log_ref)
    return minimize(lambda p: -p @ rewards, start, jac=lambda p: -rewards, bounds=least, constraints=[simplex, spend], options=options).x


def budget_too_large():
    rewards, log_ref = np.array([[1.0, 1.0, 0.0]]), np.log([[0.25, 0.25, 0.5]])
    several = np.array([[0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.4, 0.6, 0.0]])
    with np.errstate(divide="ignore"):
        spent = [float(optimal.kl_divergence(np.log(policy[None]), log_ref)[0]) for policy in several]
    gains = several @ rewards[0]
    return breaks(
        max(spent) < 0.8 and np.ptp(gains) == 0 and spent[0] < spent[1],
        problem="r = (1, 1, 0), ref = (1/4, 1/4, 1/2), k = 0.8 > -log pi_ref(argmax r) = 0.693",
        expected="one solution, a pi_beta",
        got=f"(.5, .5, 0), (.6, .4, 0), (.4, .6, 0) all have E[r] = 1 with KL = {[round(k, 4) for k in spent]}",
        because="the budget does not bind: every policy on the best answers within it is a solution",
    )


def constant_reward():
    rewards, log_ref = np.array([1.0, 1.0]), np.log([0.5, 0.5])
    several = np.array([[0.5, 0.5], [0.6, 0.4]])
    return breaks(
        np.ptp(several @ rewards) == 0 and optimal.kl_divergence(np.log(several[1]), log_ref) < 0.1,
        problem="r = (1, 1), ref = (1/2, 1/2), k = 0.1",
        expected="one solution",
        got="(.5, .5) and (.6, .4) both have E[r] = 1 within the budget",
        because="a constant reward gives no reason to leave the reference",
    )


CLAIM = Claim(
    id="D30",
    aliases=("ppo-gt", "kl-budget"),
    statement=__doc__,
    source=Source(PAPER, "sections 5.2 and 6.1: PPO and PPO-GT"),
    assumes=("k < -log pi_ref(argmax r)", "r not constant on the support"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"k < -log pi_ref(argmax r)": budget_too_large, "r not constant on the support": constant_reward},
)
