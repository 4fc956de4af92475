r"""Lemma 1: rewards of one class give one preference distribution, and on a connected design only they do.

    r' = r + f(x)    =>    P_r' = P_r    for Plackett-Luce rankings of any K actions, Bradley-Terry pairs among them.

Converse (not in the paper): if P_r and P_r' agree on the pairs of a design whose graph is connected in every context, then
r' ~ r. On a design that is not connected they agree up to one constant per component.

Why: exp f(x) is a factor of the numerator and of every term of the denominator. For the converse,
log P(i > j) - log P(j > i) = r_i - r_j, and such differences add up along a path of the design.
"""

from itertools import combinations, permutations

import numpy as np
import sympy as sp

from dpo_theory import preferences, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import c, i, j, k, reward
from dpo_theory.proof import Step, row


def log_odds(first, second):
    return preferences.bradley_terry(first, second) - preferences.bradley_terry(second, first)


def derive():
    ranked = row("r", sp.Symbol("K", integer=True, positive=True))
    yield Step(
        "a ranking of any K actions, Plackett-Luce",
        preferences.plackett_luce(ranked + c),
        preferences.plackett_luce(ranked),
        "every factor loses exp f(x) above and below",
        sizes="every K",
    )
    yield Step(
        "a pair, Bradley-Terry",
        preferences.bradley_terry(reward[i] + c, reward[j] + c),
        preferences.bradley_terry(reward[i], reward[j]),
        "only the difference enters",
        sizes="every n",
    )
    yield Step(
        "a compared pair gives the reward difference back",
        log_odds(reward[i], reward[j]),
        reward[i] - reward[j],
        "logit of the logistic function",
    )
    yield Step(
        "differences add up along a path",
        log_odds(reward[i], reward[j]) + log_odds(reward[j], reward[k]),
        reward[i] - reward[k],
        "one edge more; by induction every path of a connected design",
    )


def certify(bandit, rng):
    if not np.isfinite(bandit.reward).all():
        return
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    for r, f in zip(bandit.reward, shift, strict=True):
        actions = len(r)
        size = np.abs(r).max() + np.abs(f).max()
        for length in range(2, min(actions, 4) + 1):
            orders = np.array([o for s in combinations(range(actions), length) for o in permutations(s)])
            yield Measured(
                f"log-probability of rankings of {length}",
                preferences.plackett_luce((r + f)[orders]),
                preferences.plackett_luce(r[orders]),
                length * size,
            )
        found = np.zeros(actions)
        for action in range(1, actions):
            parent = int(rng.integers(action))
            found[action] = found[parent] + log_odds(r[action], r[parent])
        yield Measured("reward read off the pairs of a random tree", found, r - r[0], actions * size)


def shift_by_action():
    before, after = (float(np.exp(preferences.bradley_terry(*r))) for r in ((1.0, 0.0), (1.0, 2.0)))
    return breaks(
        abs(before - after) > 0.1,
        problem="r = (1, 0) and r' = r + (0, 2)",
        expected="P(1 > 2) is the same",
        got=f"{before:.6f} and {after:.6f}",
        because="the shift depends on the action",
    )


def disconnected():
    first, second = np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]])
    same = preferences.bradley_terry(*first[0, :2]) == preferences.bradley_terry(*second[0, :2])
    return breaks(
        same and not rewards.same_class(first, second),
        problem="three actions, only 1 and 2 are compared, r = (0, 0, 0), r' = (0, 0, 1)",
        expected="equal preferences on the design, so r ~ r'",
        got=f"equal preferences: {bool(same)}; same class: {rewards.same_class(first, second)}",
        because="action 3 is a component of its own",
    )


def infinite_reward():
    try:
        preferences.bradley_terry(-np.inf, -np.inf)
    except ValueError as error:
        return breaks(
            True,
            problem="r = (-inf, -inf)",
            expected="P(1 > 2) exists",
            got=f"refused: {error}",
            because="-inf - (-inf) has no value",
        )
    return None


CLAIM = Claim(
    id="D15",
    aliases=("lemma1", "same-class-same-preferences"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, Lemma 1, App. A.5"),
    assumes=("f depends on the context alone", "for the converse: the design is connected", "rewards are finite"),
    derive=derive,
    certify=certify,
    edges={
        "f depends on the context alone": shift_by_action,
        "for the converse: the design is connected": disconnected,
        "rewards are finite": infinite_reward,
    },
)
