r"""Realignment at decoding time: one trained model gives the whole frontier.

For every beta > 0 and every strength a > 0, the geometric mixture of the reference and the optimum for beta,

    pi_ref^{1 - a} pi_beta^a, normalised in each context,    is the optimum for beta / a;

a = 0 gives pi_ref, a < 1 a dearer KL, a > 1 a cheaper one. With several rewards, weights multiply policies as they add rewards.
The mixture is over whole answers: mixing next-token distributions of a language model is another policy (the edge).

Why: (1 - a) log pi_ref + a log pi_beta = log pi_ref + a r / beta - a log Z.
"""

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, log_ref, other_reward, reward, sums_to_one
from dpo_theory.claims.pairs import random_log_policy
from dpo_theory.proof import Step


def mixed(log_ref, log_policy, strength):
    """Log of pi_ref^{1 - a} pi^a, normalised, by eq. 4 with the reward a log pi/pi_ref at beta = 1."""
    return optimal.optimal_log_policy(strength * (log_policy - log_ref), log_ref, 1)


def derive():
    a = sp.Symbol("alpha", positive=True)
    trained = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step(
        "the mixture is the optimum for beta / a",
        ((1 - a) * log_ref + a * trained)[k] - sp.log(((1 - a) * log_ref + a * trained).each(sp.exp).sum()),
        optimal.optimal_log_policy(reward, log_ref, beta / a)[k],
        "log Z of beta cancels",
    )
    yield Step("as a tilt of pi_ref", mixed(log_ref, trained, a)[k], optimal.optimal_log_policy(reward, log_ref, beta / a)[k], "")
    unmixed = mixed(log_ref, trained, sp.S.Zero)
    yield Step("a = 0 gives pi_ref", unmixed[k], log_ref[k], "", facts=(sums_to_one(log_ref),))
    second = optimal.optimal_log_policy(other_reward, log_ref, beta)
    b = sp.Symbol("b", positive=True)
    product = log_ref + a * (trained - log_ref) + b * (second - log_ref)
    yield Step(
        "two rewards: policies multiply, rewards add",
        product[k] - sp.log(product.each(sp.exp).sum()),
        optimal.optimal_log_policy(a * reward + b * other_reward, log_ref, beta)[k],
        "both log Z cancel",
    )


def certify(bandit, rng):
    trained = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    open_ = bandit.support & np.isfinite(bandit.reward)
    finite = np.where(open_, bandit.reward, 0.0)
    for strength in (0.3, 1.0, 2.5):
        score = np.where(open_, (1 - strength) * np.where(open_, bandit.log_ref, 0) + strength * np.where(open_, trained, 0), -np.inf)
        mixture = score - np.logaddexp.reduce(score, axis=-1, keepdims=True)
        price = bandit.beta / strength
        expected = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, price)
        scale = 1 + np.abs(finite).max() / bandit.beta * max(1.0, strength) + np.abs(np.where(open_, bandit.log_ref, 0)).max()
        yield Measured(f"mixture at a = {strength}", np.exp(mixture), np.exp(expected), scale)
        rival = random_log_policy(bandit, rng)
        dearer = bandit.replace(beta=price)
        gap = dearer.values(mixture) - dearer.values(rival)
        yield Measured("it beats a random policy at beta / a", -gap, 0.0, 1 + np.abs(finite).max() + price, relation="<=")


def token_by_token():
    """Two tokens, two letters: answers aa, ab, ba, bb; the reference is uniform, r = (3, 0, 0, 0), beta = 1, a = 1/2."""
    ref, reward = np.full((1, 4), -np.log(4.0)), np.array([[3.0, 0.0, 0.0, 0.0]])
    trained = np.exp(optimal.optimal_log_policy(reward, ref, 1.0)).reshape(2, 2)
    first = np.sqrt(trained.sum(axis=1))
    second = np.sqrt(trained / trained.sum(axis=1, keepdims=True))
    by_token = (first / first.sum())[:, None] * second / second.sum(axis=1, keepdims=True)
    whole = np.exp(optimal.optimal_log_policy(reward, ref, 2.0)).reshape(2, 2)
    return breaks(
        np.abs(by_token - whole).max() > 0.005,
        problem="answers aa, ab, ba, bb, uniform reference, r = (3, 0, 0, 0), beta = 1, a = 1/2, mixed token by token",
        expected=f"pi_2 = {whole.ravel().round(4).tolist()}",
        got=f"{by_token.ravel().round(4).tolist()}",
        because="each prefix is normalised by itself, and these normalisers differ",
    )


def another_reference():
    ref, start = np.log([[0.5, 0.3, 0.2]]), np.log([[0.2, 0.3, 0.5]])
    reward = np.array([[1.0, 0.0, -1.0]])
    trained = optimal.optimal_log_policy(reward, ref, 0.5)
    got, expected = np.exp(mixed(start, trained, 0.5)), np.exp(optimal.optimal_log_policy(reward, ref, 1.0))
    return breaks(
        np.abs(got - expected).max() > 0.05,
        problem="T1, mixed at a = 1/2 with (.2, .3, .5) instead of its reference",
        expected=f"pi_1 = {expected[0].round(4).tolist()}",
        got=f"{got[0].round(4).tolist()}",
        because="the trained model carries its own reference",
    )


CLAIM = Claim(
    id="C14",
    aliases=("geometric-closure", "decoding-time-realignment"),
    statement=__doc__,
    source=Source("derived here", "from eq. 4 of arXiv:2305.18290"),
    assumes=("answers are mixed whole", "mixed with the reference it was trained from"),
    derive=derive,
    certify=certify,
    edges={"answers are mixed whole": token_by_token, "mixed with the reference it was trained from": another_reference},
)
