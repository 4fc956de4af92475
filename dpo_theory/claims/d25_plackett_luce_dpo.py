r"""DPO for rankings has the optimum of RLHF.

    L(pi) = -E sum_k [ beta h(tau(k)) - log sum_{j >= k} exp(beta h(tau(j))) ],    h = log pi/pi_ref,    tau ranked best first

is the negative Plackett-Luce log-likelihood with reward beta h. Z(x) cancels; it is a sum of K - 1 softmax cross-entropies, convex in h; K = 2
is the DPO loss of eq. 7. If the rankings follow eq. 18 with a finite reward r and pi_ref > 0 on every answer of the context, all of which are
ranked, the population loss has one minimiser among policies, pi*.

Why: given the answers that are left, the next one is drawn from softmax(r). The mean slope of each factor along any direction is
therefore 0 at beta h = r + const, and its second derivative is beta^2 times a variance, which is 0 only along constants.
"""

from itertools import permutations

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs, RankedLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, log_policy, log_ref, reward, t
from dpo_theory.claims.ranked import Ranked, mass
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO
from dpo_theory.proof import Row, Step, row

MOST = 4
direction = row("v")


def derive():
    loss = PlackettLuceDPO(beta)
    implied = optimal.implicit_reward(log_policy, log_ref, beta)
    yield Step(
        "the loss is the Plackett-Luce likelihood of the implicit reward",
        loss(RankedLogProbs(log_policy, log_ref)),
        -preferences.plackett_luce(implied),
        "eq. 20 is eq. 18 with beta h",
        sizes="every K",
    )
    yield Step(
        "Z cancels",
        loss(RankedLogProbs(log_ref + (reward + c) / beta, log_ref)),
        -preferences.plackett_luce(reward),
        "c = -beta log Z is a constant of the context, and every factor is a softmax",
        sizes="every K",
    )
    yield Step(
        "at pi* the loss is the negative log-likelihood of r",
        loss(RankedLogProbs(optimal.optimal_log_policy(reward, log_ref, beta), log_ref)),
        -preferences.plackett_luce(reward),
        "beta h = r - beta log Z",
        sizes="every K",
    )
    gaps = Row(lambda a: sp.log(Row(lambda b: sp.exp(implied[b + a - 1] - implied[a]), implied.size - a + 1).each(_same).sum()))
    first = sp.Symbol("x_1", real=True)
    yield Step(
        "one softmax cross-entropy for each choice",
        loss(RankedLogProbs(Ranked(first, log_policy), Ranked(0, log_ref))),
        _choice(beta * first, implied) + loss(RankedLogProbs(log_policy, log_ref)),
        "the first choice, then the ranking of the rest",
        sizes="every K",
    )
    x = sp.symbols("x_1:3 a_1:3", real=True)
    pair = np.array(x, dtype=object)
    yield Step(
        "K = 2 is eq. 7",
        loss(RankedLogProbs(pair[:2], pair[2:])),
        DPO(beta)(PairLogProbs(x[0], x[1], x[2], x[3])),
        "the last factor is 1",
        sizes="",
    )
    yield from _one_choice()


def _same(value):
    return value


def _choice(chosen, scores):
    """-log softmax of `chosen` among itself and `scores`, written here."""
    return sp.log(sp.exp(chosen) + mass(scores)) - chosen
