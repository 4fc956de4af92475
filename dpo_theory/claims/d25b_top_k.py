r"""Scoring only the first k choices keeps the optimum when rankings are Plackett-Luce.

    L_k(pi) = -E sum_{i <= k} [ beta h(tau(i)) - log sum_{j >= i} exp(beta h(tau(j))) ],    1 <= k < K

is the negative log-likelihood of the first k places, unchanged by beta h + c(x). If the rankings follow eq. 18 with r
finite and pi_ref > 0, its population minimiser is that of the full loss, pi*, for every k. If they do not follow it, L_k
and L_(K-1) have different minimisers in general.

Why: each factor is the softmax cross-entropy of one choice (claim D25), minimal at beta h = r + const by itself; dropping
the later ones leaves the first, which alone identifies r up to a constant.
"""

from fractions import Fraction
from itertools import permutations

import numpy as np
import sympy as sp

from bandits.data import RankedLogProbs, Rankings
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory._xp import logsumexp
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, log_policy, log_ref, reward, t
from dpo_theory.claims.ranked import Ranked, mass
from dpo_theory.losses.plackett_luce import PlackettLuceDPO
from dpo_theory.proof import Step, row

MOST = 4


def derive():
    once, twice = PlackettLuceDPO(beta, top=1), PlackettLuceDPO(beta, top=2)
    first, second = sp.symbols("x_1 x_2", real=True)
    implied = optimal.implicit_reward(log_policy, log_ref, beta)
    seen = Ranked(second, log_policy), Ranked(0, log_ref)
    yield Step(
        "the first choice alone",
        once(RankedLogProbs(Ranked(first, log_policy), Ranked(0, log_ref))),
        sp.log(sp.exp(beta * first) + mass(implied)) - beta * first,
        "one softmax cross-entropy",
        sizes="every K",
    )
    yield Step(
        "k choices are the first, then k - 1 choices among the rest",
        twice(RankedLogProbs(Ranked(first, seen[0]), Ranked(0, seen[1]))),
        sp.log(sp.exp(beta * first) + sp.exp(beta * second) + mass(implied)) - beta * first + once(RankedLogProbs(*seen)),
        "truncation drops the last factors",
        sizes="every K",
    )
    yield Step(
        "adding c to every reward changes nothing",
        twice(RankedLogProbs(Ranked(first, seen[0]) + c / beta, Ranked(0, seen[1]))),
        twice(RankedLogProbs(Ranked(first, seen[0]), Ranked(0, seen[1]))),
        "every factor kept is whole",
        sizes="every K",
    )
    chosen, moved = reward - logsumexp(reward), reward + t * row("v")
    yield Step(
        "where r chooses, the mean slope of a choice at beta h = r is 0",
        sp.diff(expectation(chosen, logsumexp(moved) - moved), t).subs(t, 0),
        0,
        "with convexity (claim D25): every factor is minimal there",
        sizes="every K",
    )


def certify(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()):
        return
    orders = np.array(list(permutations(range(min(bandit.n_actions, MOST)))))
    top = int(rng.integers(1, orders.shape[1]))
    same_start = (orders[:, None, :top] == orders[None, :, :top]).all(axis=-1)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    for log_policy_x, log_ref_x, reward_x in zip(best, bandit.log_ref, bandit.reward, strict=True):
        log_p = preferences.plackett_luce(reward_x[orders])
        begins = np.logaddexp.reduce(np.where(same_start, log_p, -np.inf), axis=-1)
        seen = RankedLogProbs(log_policy_x[orders], log_ref_x[orders])
        scale = 1 + np.abs(bandit.beta * seen.policy).max() + np.abs(reward_x).max() + np.abs(bandit.beta * seen.ref).max()
        loss = PlackettLuceDPO(bandit.beta, top=top)(seen)
        yield Measured(f"L_{top} at pi* against all rankings that begin so", loss, -begins, scale)


def search(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()) or np.ptp(bandit.reward, axis=-1).max() > 20:
        return
    if not 3 <= bandit.n_actions <= MOST:
        return
    orders = np.array(list(permutations(range(bandit.n_actions))))
    weight = np.exp(preferences.plackett_luce(bandit.reward[:, orders])) * bandit.context_probs[:, None]
    context = np.repeat(np.arange(bandit.n_contexts), len(orders))
    data = Rankings(context, np.tile(orders, (bandit.n_contexts, 1)), weight.ravel())
    found = minimise_loss(bandit, PlackettLuceDPO(bandit.beta, top=1), data)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(best)).sum(axis=-1)
    yield Measured("total variation between the search on first choices and pi*", distance, 0.0, tolerance=1e-9)


def other_rankings():
    orders = {(0, 1, 2): Fraction(1, 3), (1, 0, 2): Fraction(1, 3), (2, 0, 1): Fraction(1, 3)}
    x = sp.symbols("x_1:4", real=True)
    slopes = []
    for top in (1, None):
        loss = PlackettLuceDPO(sp.S.One, top=top)
        zero = np.array([sp.S.Zero] * 3, dtype=object)
        mean = sum(
            sp.Rational(p) * loss(RankedLogProbs(np.array([x[item] for item in order], dtype=object), zero)) for order, p in orders.items()
        )
        slopes.append([sp.diff(mean, v).subs(dict.fromkeys(x, 0)) for v in x])
    return breaks(
        all(s == 0 for s in slopes[0]) and any(s != 0 for s in slopes[1]),
        problem="rankings 123, 213, 312, a third each; uniform ref, beta = 1",
        expected="the first choice and the full ranking have one optimum",
        got=f"slopes at pi = ref: {slopes[0]} for k = 1, {slopes[1]} for the full ranking",
        because="these rankings are not Plackett-Luce: the later choices disagree with the first",
    )


CLAIM = Claim(
    id="D25b",
    aliases=("top-k",),
    statement=__doc__,
    source=Source("Xia et al. 2008; derived here from eq. 20", "top-k Plackett-Luce"),
    assumes=("rankings follow eq. 18",),
    derive=derive,
    certify=certify,
    search=search,
    edges={"rankings follow eq. 18": other_rankings},
)
