r"""DPO for rankings has the optimum of RLHF.

    L(pi) = -E sum_k [ beta h(tau(k)) - log sum_{j >= k} exp(beta h(tau(j))) ],    h = log pi/pi_ref,    tau ranked best first

is the negative Plackett-Luce log-likelihood with reward beta h. Z(x) cancels; it is a sum of K - 1 softmax
cross-entropies, convex in h; K = 2 is the DPO loss of eq. 7. If the rankings follow eq. 18 with a finite reward r, rank
every answer of the context, and pi_ref > 0 on all of them, the population loss has one minimiser among policies, pi*.

Why: given the answers that are left, the next one is drawn from softmax(r). The mean slope of each factor along any
direction is therefore 0 at beta h = r + const, and its second derivative is beta^2 times a variance, which is 0 only
along constants.
"""

from fractions import Fraction
from itertools import permutations

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs, RankedLogProbs, Rankings
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory._xp import logsumexp
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, log_policy, log_ref, reward, t
from dpo_theory.claims.ranked import Ranked, drawn_without_replacement, mass
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO
from dpo_theory.proof import Row, Step, Total, row

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
    along = loss(RankedLogProbs(log_policy + t * direction, log_ref))
    yield Step(
        "the second derivative along v is beta^2 times a variance for each choice",
        sp.diff(along, t, 2).subs(t, 0),
        beta**2 * Row(lambda place: _variance(implied, place)).sum(),
        "a variance is half the mean squared difference of two draws",
        sizes="every K",
    )
    h, g = sp.symbols("h g", real=True)
    yield Step("which is >= 0", sp.exp(h + g) * (h - g) ** 2, 0, "term by term", sizes="", relation=">=")
    chosen = reward - logsumexp(reward)
    moved = reward + t * direction
    yield Step(
        "where r chooses, the mean slope of a choice at beta h = r is 0",
        sp.diff(expectation(chosen, logsumexp(moved) - moved), t).subs(t, 0),
        0,
        "the chosen answer and the model's answer have one law",
        sizes="every K",
    )


def _choice(chosen, scores):
    """-log softmax of `chosen` among itself and `scores`, written here."""
    return sp.log(sp.exp(chosen) + mass(scores)) - chosen


def _variance(scores, place):
    """sum_{a, b >= place} p_a p_b (v_a - v_b)^2 / 2, p the softmax of the scores from `place` on."""
    a, b = (sp.Dummy(name, integer=True, positive=True) for name in "ab")
    weight = Total(sp.exp(scores[a]), a, place, scores.size)
    inner = Total(sp.exp(scores[a] + scores[b]) * (direction[a] - direction[b]) ** 2, b, place, scores.size)
    return Total(inner, a, place, scores.size) / (2 * weight**2)


def certify(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()):
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    other = optimal.optimal_log_policy(rng.normal(size=best.shape), bandit.log_ref, bandit.beta)
    for at_best, elsewhere, log_ref_x, reward_x in zip(best, other, bandit.log_ref, bandit.reward, strict=True):
        orders = _orders(len(reward_x))
        probs = np.exp(preferences.plackett_luce(reward_x[orders]))
        low, high = (PlackettLuceDPO(bandit.beta)(RankedLogProbs(policy[orders], log_ref_x[orders])) for policy in (at_best, elsewhere))
        scale = 1 + np.abs(bandit.beta * at_best).max() + np.abs(bandit.beta * log_ref_x).max() + np.abs(reward_x).max()
        some = rng.permutation(len(orders))[:24]
        drawn = [drawn_without_replacement(reward_x, order) for order in orders[some]]
        yield Measured("loss of a ranking at pi*", low[some], -np.array(drawn), scale)
        yield Measured("population loss: pi* against another policy", probs @ low, probs @ high, scale, relation="<=")


def search(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()) or np.ptp(bandit.reward, axis=-1).max() > 20:
        return
    if bandit.n_actions > MOST:
        return
    orders = _orders(bandit.n_actions)
    context = np.repeat(np.arange(bandit.n_contexts), len(orders))
    weight = np.exp(preferences.plackett_luce(bandit.reward[:, orders])) * bandit.context_probs[:, None]
    data = Rankings(context, np.tile(orders, (bandit.n_contexts, 1)), weight.ravel())
    found = minimise_loss(bandit, PlackettLuceDPO(bandit.beta), data)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(best)).sum(axis=-1)
    yield Measured("total variation between the search and pi*", distance, 0.0, tolerance=1e-9)


def _orders(n_actions):
    return np.array(list(permutations(range(n_actions))))


def certain_ranking():
    loss = PlackettLuceDPO(1.0)
    ref = np.full(3, -np.log(3.0))
    scales = (1.0, 10.0, 100.0)
    values = [loss(RankedLogProbs(ref + scale * np.array([1.0, 0.0, -1.0]), ref)) for scale in scales]
    return breaks(
        values[0] > values[1] > values[2] > 0,
        problem="every ranking is 1, 2, 3; uniform ref, beta = 1",
        expected="a minimiser",
        got=f"losses {[float(f'{v:.3g}') for v in values]} at h = t (1, 0, -1), t = {scales}",
        because="a reward that is sure of every ranking is not finite; the infimum 0 is not attained",
    )


def other_rankings():
    frequency = {(0, 1, 2): Fraction(1, 3), (1, 0, 2): Fraction(1, 3), (2, 0, 1): Fraction(1, 3)}
    first = [sum(p for order, p in frequency.items() if order[0] == item) for item in range(3)]
    second = sum(p * (Fraction(order[1] == 0) - Fraction(1, 2)) for order, p in frequency.items() if order[0] != 0)
    return breaks(
        set(first) == {Fraction(1, 3)} and second != 0,
        problem="rankings 123, 213, 312, a third each",
        expected="one reward gives every choice its frequency",
        got=f"first choices ask for equal rewards, where the second choices have slope {second} for answer 1",
        because="these rankings are not Plackett-Luce: the optimum is a compromise that depends on how many are ranked",
    )


def partly_ranked():
    loss = PlackettLuceDPO(1.0)
    ref = np.log([1 / 3, 1 / 3, 1 / 3])
    some, more = np.log([0.6, 0.3, 0.1]), np.log([0.06, 0.03, 0.91])
    seen = [loss(RankedLogProbs(policy[:2], ref[:2])) for policy in (some, more)]
    return breaks(
        abs(seen[0] - seen[1]) < 1e-12 and not np.allclose(some, more),
        problem="three answers, only the first two are ranked",
        expected="one minimiser",
        got=f"pi = (.6, .3, .1) and (.06, .03, .91) have losses {seen[0]:.6f} and {seen[1]:.6f}",
        because="the loss does not see the mass of an answer that is never ranked",
    )


def unsupported():
    policies = np.array([[0.7, 0.3, 0.0], [0.35, 0.15, 0.5]])
    ref = np.log([0.5, 0.5])
    seen = [PlackettLuceDPO(1.0)(RankedLogProbs(np.log(policy[:2]), ref)) for policy in policies]
    return breaks(
        abs(seen[0] - seen[1]) < 1e-12,
        problem="ref = (1/2, 1/2, 0)",
        expected="one minimiser",
        got=f"pi = {policies[0].tolist()} and {policies[1].tolist()} have losses {seen[0]:.6f} and {seen[1]:.6f}",
        because="no log-ratio is defined where the reference is 0, so mass that goes there is not seen",
    )


CLAIM = Claim(
    id="D25",
    aliases=("eq20", "pl-dpo"),
    statement=__doc__,
    source=Source(PAPER, "App. A.3, eqs. 19 and 20"),
    assumes=("rankings follow eq. 18", "r finite", "every answer is ranked", "pi_ref(y|x) > 0"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "rankings follow eq. 18": other_rankings,
        "r finite": certain_ranking,
        "every answer is ranked": partly_ranked,
        "pi_ref(y|x) > 0": unsupported,
    },
)
