r"""At the optimum the implicit reward ranks as people do; the likelihood need not.

For the optimal policy pi* of a finite reward on the support, any two answers i, j of one prompt and beta > 0:

    beta log pi*_i/pi_ref,i - beta log pi*_j/pi_ref,j = r_i - r_j,
    log pi*_i - log pi*_j = (r_i - r_j)/beta + log pi_ref,i/pi_ref,j,

so pi* makes the better answer i the likelier one iff (r_i - r_j)/beta > log pi_ref,j/pi_ref,i. Where it does not, the ranking by
likelihood agrees with a Bradley-Terry label with probability s(-(r_i - r_j)) < 1/2, the ranking by implicit reward with
s(r_i - r_j) > 1/2. Both cannot be asked of one policy: the RLHF optimum itself keeps the reference's order.

Why: eq. 5; the reference is in the likelihood and not in the implicit reward.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, log_ref, reward
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    implied = optimal.implicit_reward(best, log_ref, beta)
    yield Step("the implicit reward has the reward's differences", implied[i] - implied[j], reward[i] - reward[j], "eq. 5")
    prior = log_ref[i] - log_ref[j]
    yield Step("the likelihood adds the reference's", best[i] - best[j], (reward[i] - reward[j]) / beta + prior, "eq. 4")
    gap = sp.log(1 + sp.Symbol("x", positive=True))  # every r_i - r_j > 0
    right, wrong = (sp.exp(preferences.bradley_terry(sign * gap, sp.S.Zero)) for sign in (1, -1))
    half = sp.Rational(1, 2)
    yield Step("the right ranking agrees with more than half the labels", sp.factor(right - half), 0, "", relation=">", sizes="")
    yield Step("the wrong one with the rest", wrong, 1 - right, "s(-x) = 1 - s(x)", sizes="")


def certify(bandit, rng):
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    for policy, values, ref in zip(best, bandit.reward, bandit.log_ref, strict=True):
        open_ = np.isfinite(values) & np.isfinite(ref)
        policy, values, ref = policy[open_], values[open_], ref[open_]
        gap = (values[:, None] - values[None, :]) / bandit.beta
        prior = ref[:, None] - ref[None, :]
        scale = 1 + np.abs(values).max() / bandit.beta + np.abs(ref).max()
        yield Measured("log pi*_i - log pi*_j", policy[:, None] - policy[None, :], gap + prior, scale)
        implied = policy - ref
        clear = np.abs(gap) > 1e-9 * scale
        yield Measured("order of the implicit reward", np.sign(implied[:, None] - implied[None, :])[clear], np.sign(gap)[clear])
        clear = np.abs(gap + prior) > 1e-9 * scale
        likelier = policy[:, None] > policy[None, :]
        yield Measured("likelier iff the reward gap beats the reference", likelier[clear], (gap > -prior)[clear])


def accuracies(log_policy, log_ref, reward, beta):
    """Agreement with Bradley-Terry labels of two answers: of the implicit reward's order and of the likelihood's."""
    win = np.exp(preferences.bradley_terry(reward[:1], reward[1:]))[0]
    implied = beta * (log_policy - log_ref)
    return tuple(float(win if values[0] > values[1] else 1 - win) for values in (implied, log_policy))


def not_the_optimum():
    reward, log_ref = np.array([1.0, 0.0]), np.log([0.1, 0.9])
    policy = np.log([0.05, 0.95])
    implied, likelihood = accuracies(policy, log_ref, reward, 1.0)
    return breaks(
        implied < 0.5,
        problem="ref = (.1, .9), r = (1, 0), beta = 1, pi = (.05, .95)",
        expected="the implicit reward agrees with labels at rate s(1) = 0.731",
        got=f"{implied:.3f}, and the likelihood {likelihood:.3f}",
        because="eq. 5 is about the optimum; a policy under training can rank either way",
    )


def preferences_in_a_circle():
    win = np.array([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])
    borda = win.mean(axis=1)
    return breaks(
        np.ptp(borda) < 1e-12,
        problem="P(1 beats 2) = P(2 beats 3) = P(3 beats 1) = 0.9, uniform design: by symmetry the optimum is pi_ref",
        expected="an implicit reward that ranks as the labels do",
        got="three equal implicit rewards",
        because="no reward ranks a circle",
    )


CLAIM = Claim(
    id="C17",
    aliases=("ranking-accuracy",),
    statement=__doc__,
    source=Source("derived here", "from eq. 4 and 5 of arXiv:2305.18290; ranking accuracy: Chen et al. 2024, arXiv:2405.19534"),
    assumes=("the policy is the optimum", "labels are Bradley-Terry"),
    derive=derive,
    certify=certify,
    edges={"the policy is the optimum": not_the_optimum, "labels are Bradley-Terry": preferences_in_a_circle},
)
