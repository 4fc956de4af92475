r"""Preference in terms of the optimal policy.

    p*(1 > 2) = s( beta log pi*(y_1|x)/pi_ref(y_1|x) - beta log pi*(y_2|x)/pi_ref(y_2|x) )

for Bradley-Terry preferences, two answers to one prompt, pi_ref > 0, and every beta > 0. The left side knows no beta: pi* carries it.
So a policy trained with beta' on data of pi* with beta must satisfy beta' log pi'/pi_ref = beta log pi*/pi_ref + constant(x), that is
pi' = pi_ref (pi*/pi_ref)^{beta/beta'}, normalised.

Why: r = beta log pi*/pi_ref + beta log Z(x), and Z(x) cancels in a difference within one prompt.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_ref, reward
from dpo_theory.claims.rungs import full_support
from dpo_theory.losses.dpo import DPO
from dpo_theory.proof import Step

TRAINED = sp.Symbol("beta'", positive=True)


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    names = {optimal.log_partition(reward, log_ref, beta): r"\log Z"}
    implied = optimal.implicit_reward(best, log_ref, beta)
    true = preferences.bradley_terry(reward[i], reward[j])
    yield Step("eq. 6", preferences.bradley_terry(implied[i], implied[j]), true, "Z cancels", names=names)
    other = optimal.optimal_log_policy(implied, log_ref, TRAINED)
    implied_there = optimal.implicit_reward(other, log_ref, TRAINED)
    yield Step(
        "the tempered policy has the same preferences under beta'",
        preferences.bradley_terry(implied_there[i], implied_there[j]),
        true,
        "its implicit reward differs by a constant",
    )
    yield Step(
        "it is the optimum of r under beta'",
        other[k],
        optimal.optimal_log_policy(reward, log_ref, TRAINED)[k],
        "beta log pi*/pi_ref is in the class of r",
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    left, right = np.triu_indices(bandit.n_actions, 1)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    implied = optimal.implicit_reward(best, bandit.log_ref, bandit.beta)
    got = preferences.bradley_terry(implied[:, left], implied[:, right])
    expected = -np.logaddexp(0.0, bandit.reward[:, right] - bandit.reward[:, left])
    terms = 1 + np.abs(bandit.reward).max() + bandit.beta * (np.abs(best).max() + np.abs(bandit.log_ref).max())
    yield Measured("log s(beta h_1 - beta h_2) against log s(r_1 - r_2)", got, expected, terms)


def search(bandit, rng):
    if not full_support(bandit) or np.ptp(bandit.reward) > 20:
        return
    trained = 2.0 * bandit.beta
    found = minimise_loss(bandit, DPO(trained))
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    tempered = bandit.log_ref + (best - bandit.log_ref) * bandit.beta / trained
    tempered = tempered - np.logaddexp.reduce(tempered, axis=-1, keepdims=True)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(tempered)).sum(axis=-1)
    yield Measured("trained with 2 beta: ref (pi*/ref)^(1/2)", distance, 0.0, tolerance=1e-9)


def two_prompts():
    bandit = TabularBandit([0.5, 0.5], [[1.0, 0.0], [3.0, 2.0]], np.log([[0.5, 0.5]] * 2), 1.0)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    implied = optimal.implicit_reward(best, bandit.log_ref, bandit.beta)
    across = np.exp(preferences.bradley_terry(implied[0, 0], implied[1, 0]))
    true = np.exp(preferences.bradley_terry(1.0, 3.0))
    return breaks(
        abs(across - true) > 0.1,
        problem="r = (1, 0) and (3, 2) at two prompts, uniform reference, beta = 1, first answers compared",
        expected=f"s(1 - 3) = {true:.6g}",
        got=f"s(beta h - beta h') = {across:.6g}",
        because="the two prompts have different Z; a loss that uses one answer alone meets Z in the same way",
    )


def intransitive():
    P = np.array([[0.5, 0.9, 0.3], [0.1, 0.5, 0.8], [0.7, 0.2, 0.5]])
    odds = np.log(P / P.T)
    around = odds[0, 1] + odds[1, 2] + odds[2, 0]
    return breaks(
        abs(around) > 1.0,
        problem="p_12 = .9, p_23 = .8, p_13 = .3",
        expected="log-odds beta h_i - beta h_j, which sum to 0 around 1 -> 2 -> 3 -> 1",
        got=f"{around:.6g}",
        because="no reward, so no policy, has these preferences",
    )


def off_support():
    log_ref = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
    best = optimal.optimal_log_policy([[0.0, 0.0, 1.0]], log_ref, 1.0)
    with np.errstate(invalid="ignore"):
        ratio = (best - log_ref)[0]
    return breaks(
        bool(np.isnan(ratio[2])),
        problem="ref = (1/2, 1/2, 0), r = (0, 0, 1), answers 3 and 1 compared",
        expected="p(3 > 1) = s(1)",
        got=f"log pi*/pi_ref = {ratio.tolist()}",
        because="the log-ratio is 0/0 off the support",
    )


CLAIM = Claim(
    id="D06",
    aliases=("eq6", "preference-through-policy"),
    statement=__doc__,
    source=Source(PAPER, "eq. 6, App. A.2"),
    assumes=("both answers belong to one prompt", "preferences are Bradley-Terry", "pi_ref(y|x) > 0"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "both answers belong to one prompt": two_prompts,
        "preferences are Bradley-Terry": intransitive,
        "pi_ref(y|x) > 0": off_support,
    },
)
