r"""Breaking rankings into pairs: all pairs are consistent but not efficient, adjacent pairs are not consistent.

Plackett-Luce rankings of K answers with finite rewards r are cut into comparisons, and eq. 7 is minimised on them.

    all K(K-1)/2 pairs of each ranking: the population minimiser is pi*, as for eq. 20;
    but the pairs of one ranking depend on each other: at r = 0, K = 3 the asymptotic variance of r_1 - r_2 per ranking
    is 32/9 against 24/7 for eq. 20, and counting the pairs as independent promises 8/3, below the Cramer-Rao bound;
    neighbouring pairs only: at K = 3, r = (log 2, 0, 0) the population slope at r is 1/18, so the minimiser is not pi*.

Why: every pair of a ranking is Bradley-Terry (claim D24b), so each pair's slope is 0 at r. Whether a pair is a pair of
neighbours depends on who won.
"""

from itertools import pairwise, permutations

import numpy as np
import sympy as sp

from bandits.data import Comparisons, PairLogProbs
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta
from dpo_theory.losses.dpo import DPO
from dpo_theory.proof import Step

MOST = 4
ORDERS = tuple(permutations(range(3)))


def derive():
    above, below, margin = sp.symbols("r_i r_j m", real=True)
    win = sp.exp(preferences.bradley_terry(above, below))
    mean = _one_pair(margin, win, beta)
    yield Step(
        "the mean slope of a pair at beta m = r_i - r_j is 0",
        sp.diff(mean, margin).subs(margin, (above - below) / beta),
        0,
        "its wins are Bradley-Terry",
        sizes="",
    )
    yield Step(
        "and it bends upwards there",
        sp.diff(DPO(beta)(PairLogProbs(margin, 0, 0, 0)), margin, 2),
        0,
        "s(z) s(-z) > 0: with all pairs in the design the minimiser is unique",
        sizes="",
        relation=">",
    )
    ranking, pairs, score = _at_equal_rewards()
    yield Step("Fisher information of a ranking, diagonal", ranking[0, 0], sp.Rational(7, 18), "r = 0, K = 3", sizes="")
    yield Step("and off the diagonal", ranking[0, 1], -sp.Rational(7, 36), "its rows sum to 0", sizes="")
    v = sp.Matrix([1, -1, 0])
    efficient, broken, naive = _variance(v, ranking, ranking), _variance(v, score, pairs), _variance(v, pairs, pairs)
    yield Step("variance of r_1 - r_2 per ranking, all pairs", broken, sp.Rational(32, 9), "sandwich H^+ J H^+", sizes="")
    yield Step("all pairs lose to eq. 20", broken, efficient, "24/7: not efficient", sizes="", relation=">")
    yield Step("independence promises too little", efficient, naive, "8/3: the pairs depend on each other", sizes="", relation=">")
    yield Step(
        "neighbours only: the slope at r = (log 2, 0, 0) in the first reward",
        _adjacent_slope([2, 1, 1]),
        0,
        "1/18: the estimate of r_1 is pulled below the truth",
        sizes="",
        relation=">",
    )


def _one_pair(margin, win, scale):
    loss = DPO(scale)
    return win * loss(PairLogProbs(margin, 0, 0, 0)) + (1 - win) * loss(PairLogProbs(-margin, 0, 0, 0))


def _hessian(expression, x):
    return sp.hessian(expression, x).subs(dict.fromkeys(x, 0))


def _at_equal_rewards():
    """At r = 0, K = 3: information of a ranking, curvature of all its pairs, and covariance of their score."""
    x = sp.symbols("r_1:4", real=True)
    ranking = sum((_hessian(-preferences.plackett_luce(_ranked(x, order)), x) for order in ORDERS), sp.zeros(3)) / 6
    pairs, score = sp.zeros(3), sp.zeros(3)
    for order in ORDERS:
        loss = sum(DPO(sp.S.One)(PairLogProbs(x[a], x[b], 0, 0)) for place, a in enumerate(order) for b in order[place + 1 :])
        slope = sp.Matrix([sp.diff(loss, v) for v in x]).subs(dict.fromkeys(x, 0))
        pairs, score = pairs + _hessian(loss, x) / 6, score + slope * slope.T / 6
    return ranking, pairs, score


def _ranked(x, order):
    return np.array([x[item] for item in order], dtype=object)


def _variance(v, middle, bread):
    """v' B^+ M B^+ v for matrices that vanish on constants."""
    ones = sp.ones(3) / 3
    inverse = (bread + ones).inv() - ones
    return (v.T * inverse * middle * inverse * v)[0]


def _adjacent_slope(weights):
    """d/dr_1 of the mean loss on neighbouring pairs at the true rewards log(weights), exactly."""
    x = sp.symbols("r_1:4", real=True)
    truth = dict(zip(x, (sp.log(w) for w in weights), strict=True))
    mean = sp.S.Zero
    for order in ORDERS:
        probability = sp.exp(preferences.plackett_luce(_ranked([truth[v] for v in x], order)))
        for a, b in pairwise(order):
            mean += probability * DPO(sp.S.One)(PairLogProbs(x[a], x[b], 0, 0))
    return sp.simplify(sp.diff(mean, x[0]).subs(truth))


def _broken(rewards):
    """All pairs of all rankings, with their probabilities: (winner, loser, weight)."""
    orders = np.array(list(permutations(range(len(rewards)))))
    weight = np.exp(preferences.plackett_luce(rewards[orders]))
    above, below = np.triu_indices(len(rewards), 1)
    return orders[:, above].ravel(), orders[:, below].ravel(), np.repeat(weight, len(above))


def certify(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()):
        return
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    for log_policy, log_ref, rewards in zip(best, bandit.log_ref, bandit.reward, strict=True):
        size = min(len(rewards), MOST)
        winner, loser, weight = _broken(rewards[:size])
        pull, _ = DPO(bandit.beta).gradient(PairLogProbs(log_policy[winner], log_policy[loser], log_ref[winner], log_ref[loser]))
        slope = np.zeros(size)
        np.add.at(slope, winner, weight * pull)
        np.add.at(slope, loser, -weight * pull)
        scale = bandit.beta * size * (1 + np.abs(rewards).max() + bandit.beta * np.abs(log_ref).max())
        yield Measured("population slope of all pairs at pi*", slope, 0.0, scale)


def search(bandit, rng):
    if not (np.isfinite(bandit.reward).all() and bandit.support.all()) or np.ptp(bandit.reward, axis=-1).max() > 20:
        return
    if not 3 <= bandit.n_actions <= MOST:
        return
    rows = [_broken(rewards) for rewards in bandit.reward]
    context = np.repeat(np.arange(bandit.n_contexts), [len(row[0]) for row in rows])
    winner, loser, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
    data = Comparisons(context, winner, loser, weight * bandit.context_probs[context])
    found = minimise_loss(bandit, DPO(bandit.beta), data)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(best)).sum(axis=-1)
    yield Measured("total variation between the search on all pairs and pi*", distance, 0.0, tolerance=1e-9)


def neighbours_only():
    slope = _adjacent_slope([2, 1, 1])
    return breaks(
        slope != 0,
        problem="K = 3, r = (log 2, 0, 0), neighbouring pairs of each ranking",
        expected="slope 0 at the true rewards",
        got=f"slope {slope} in r_1",
        because="which pairs stand next to each other depends on who won",
    )


def other_rankings():
    orders = {(0, 1, 2): 0.5, (2, 1, 0): 0.2, (1, 2, 0): 0.3}
    wins = {(a, b): sum(p for o, p in orders.items() if o.index(a) < o.index(b)) for a, b in ((0, 1), (1, 2), (0, 2))}
    logit = {pair: float(np.log(p / (1 - p))) for pair, p in wins.items()}
    cycle = logit[0, 1] + logit[1, 2] - logit[0, 2]
    return breaks(
        abs(cycle) > 1e-6,
        problem=f"rankings 123, 321, 231 with probabilities {tuple(orders.values())}",
        expected="the pairs are Bradley-Terry: logits add up, l_12 + l_23 = l_13",
        got=f"l_12 + l_23 - l_13 = {cycle:.4f}",
        because="pairs of rankings that are not Plackett-Luce need not be Bradley-Terry",
    )


CLAIM = Claim(
    id="D25c",
    aliases=("rank-breaking",),
    statement=__doc__,
    source=Source("Azari Soufiani et al. 2013; Khetan and Oh 2016", "numbers computed here"),
    assumes=("rankings follow eq. 18", "all pairs of a ranking"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"rankings follow eq. 18": other_rankings, "all pairs of a ranking": neighbours_only},
)
