r"""Plackett-Luce is a probability on rankings.

    p(tau | y_1, ..., y_K, x) = prod_k exp(r(x, y_tau(k))) / sum_{j >= k} exp(r(x, y_tau(j)))

sums to 1 over the K! rankings of K answers with finite rewards; its last factor is 1, and K = 2 is Bradley-Terry.

Why: a ranking is its first choice followed by a ranking of the rest, and eq. 18 splits the same way. The first choices
sum to 1, so by induction on K every sum is 1. That the rankings of a set are the pairs (first a, ranking of the set
without a) is taken from combinatorics; the certificate enumerates all K! rankings for K <= 5.
"""

from itertools import permutations

import numpy as np
import sympy as sp

from dpo_theory import preferences
from dpo_theory._xp import logsumexp
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import reward
from dpo_theory.claims.ranked import Ranked, drawn_without_replacement, mass
from dpo_theory.claims.readings import on_tensors
from dpo_theory.proof import Step

MOST = 5


def derive():
    first, x, y = sp.symbols("x_1 x y", real=True)
    yield Step(
        "a ranking is its first choice, then a ranking of the rest",
        preferences.plackett_luce(Ranked(first, reward)),
        first - sp.log(mass(Ranked(first, reward))) + preferences.plackett_luce(reward),
        "the tail sums after the first look only forward",
        sizes="every K",
    )
    yield Step(
        "the first choices sum to 1",
        (reward - logsumexp(reward)).each(sp.exp).sum(),
        1,
        "the softmax of the rewards",
        sizes="every K",
    )
    yield Step(
        "the last factor is 1",
        preferences.plackett_luce(np.array([x], dtype=object)),
        0,
        "one answer is left: the induction starts",
        sizes="",
    )
    yield Step(
        "K = 2 is Bradley-Terry",
        preferences.plackett_luce(np.array([x, y], dtype=object)),
        preferences.bradley_terry(x, y),
        "eq. 1 is eq. 18 with two answers",
        sizes="",
    )


def certify(bandit, rng):
    rows = bandit.reward[np.isfinite(bandit.reward).all(axis=-1)]
    for rewards in rows[:, :MOST]:
        orders = list(permutations(range(len(rewards))))
        ranked = rewards[np.array(orders)]
        probs = np.exp(preferences.plackett_luce(ranked))
        yield Measured("sum over all rankings", probs.sum(), 1.0)
        drawn = np.exp([drawn_without_replacement(rewards, order) for order in orders])
        yield Measured("by drawing without replacement", probs, drawn)
        yield Measured("the same on tensors", np.exp(on_tensors(preferences.plackett_luce, ranked)), drawn)


def certain_choice():
    refused = ""
    try:
        preferences.plackett_luce(np.array([0.0, -np.inf, -np.inf]))
    except ValueError as error:
        refused = str(error)
    with np.errstate(invalid="ignore"):
        weights = np.exp([0.0, -np.inf, -np.inf])
        second = weights[1] / (weights[1] + weights[2])
    return breaks(
        np.isnan(second) and refused,
        problem="K = 3, r = (0, -inf, -inf)",
        expected="the second factor is a probability",
        got=f"0 / 0 = {second}; refused: {refused}",
        because="two answers that are never chosen have no order between them",
    )


CLAIM = Claim(
    id="D24",
    aliases=("eq18", "plackett-luce"),
    statement=__doc__,
    source=Source(PAPER, "App. A.3, eq. 18; Plackett 1975, Luce 1959"),
    assumes=("r finite",),
    derive=derive,
    certify=certify,
    edges={"r finite": certain_choice},
)
