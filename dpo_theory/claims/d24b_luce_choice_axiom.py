r"""Restricting a Plackett-Luce ranking to a subset is Plackett-Luce on the subset.

For every subset B of the ranked answers, the order in which B's answers appear has the law of eq. 18 on B; in particular

    P(y_i above y_j) = s(r_i - r_j)    for every pair, whatever else is ranked.

Why: leave out one answer c at a time. Summed over the places where c can stand in the ranking b_1, ..., b_m, the
probability is that of the ranking without c: either c comes first, or b_1 does and the rest is the same statement for
m - 1 answers (induction on m).
"""

from itertools import permutations

import numpy as np
import sympy as sp

from dpo_theory import preferences
from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.claims.letters import reward
from dpo_theory.claims.ranked import Ranked, mass
from dpo_theory.proof import Step, row
from dpo_theory.proof.row import n

MOST = 5


def derive():
    out, first, x, y = sp.symbols("c b_1 x y", real=True)
    rest, with_out = reward, row("s", n + 1)
    yield Step(
        "m = 0: only the answer that is left out remains",
        sp.exp(preferences.plackett_luce(np.array([out], dtype=object))),
        1,
        "the induction starts",
        sizes="",
    )
    joined = preferences.plackett_luce(Ranked(first, with_out)) - preferences.plackett_luce(with_out)
    yield Step(
        "from m - 1 to m: c first, or b_1 first and c somewhere in the rest",
        sp.exp(preferences.plackett_luce(Ranked(out, Ranked(first, rest)))) + sp.exp(joined) * sp.exp(preferences.plackett_luce(rest)),
        sp.exp(preferences.plackett_luce(Ranked(first, rest))),
        "s is any arrangement of the rest and c; its sum over the places of c is the ranking of the rest, by the hypothesis",
        facts=((mass(with_out), mass(Ranked(out, rest))),),
        sizes="every m",
        values=lambda size, rng: _arranged(size, rng, out, rest, with_out),
    )
    yield Step(
        "two answers: Bradley-Terry",
        sp.exp(preferences.plackett_luce(np.array([x, y], dtype=object))),
        1 / (1 + sp.exp(y - x)),
        "leave out all others",
        sizes="",
    )


def _arranged(size, rng, out, rest, with_out):
    import mpmath as mp

    entries = [mp.mpf(int(rng.integers(-9, 10))) / 4 for _ in range(size)]
    last = mp.mpf(int(rng.integers(-9, 10))) / 5
    return {rest[1].base: entries, out: last, with_out[1].base: [*entries, last]}


def certify(bandit, rng):
    rows = bandit.reward[np.isfinite(bandit.reward).all(axis=-1)]
    for rewards in rows[:, :MOST]:
        size = int(rng.integers(2, len(rewards) + 1))
        subset = rng.permutation(len(rewards))[:size]
        orders = np.array(list(permutations(range(len(rewards)))))
        places = np.argsort(orders, axis=-1)[:, subset]
        kept = (np.diff(places, axis=-1) > 0).all(axis=-1)
        probs = np.exp(preferences.plackett_luce(rewards[orders]))
        alone = np.exp(preferences.plackett_luce(rewards[subset]))
        above = np.exp(rewards[subset[0]] - np.logaddexp(rewards[subset[0]], rewards[subset[1]]))
        yield Measured("one pair against s(r_i - r_j)", probs[places[:, 0] < places[:, 1]].sum(), above)
        yield Measured(f"the order of {size} answers, summed over all rankings", probs[kept].sum(), alone)


def first_choice_only():
    rewards = np.zeros(3)
    first = np.exp([preferences.plackett_luce(rewards[[0, 1, 2]]), preferences.plackett_luce(rewards[[0, 2, 1]])]).sum()
    above = first + first  # answer 1 is first, or answer 3 is first and the rest stands in the order of the list
    model = float(np.exp(preferences.bradley_terry(rewards[0], rewards[1])))
    return breaks(
        abs(above - model) > 0.1,
        problem="K = 3, r = (0, 0, 0); the first choice follows eq. 18, the rest is left in the order of the list",
        expected=f"P(1 above 2) = s(0) = {model:.4f}",
        got=f"{above:.4f}",
        because="eq. 18 for the first choice does not make the later choices follow it",
    )


CLAIM = Claim(
    id="D24b",
    aliases=("iia", "luce-axiom"),
    statement=__doc__,
    source=Source("Luce 1959, Individual Choice Behavior", "choice axiom"),
    assumes=("every choice follows eq. 18",),
    derive=derive,
    certify=certify,
    edges={"every choice follows eq. 18": first_choice_only},
)
