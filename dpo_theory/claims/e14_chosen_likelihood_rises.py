r"""A gradient step raises the likelihood of the chosen answers, read without conditions.

    d log pi(y_w|x) / dt > 0 along gradient descent in the logits, for an answer that wins all its comparisons.

The paper says it of the gradient of the loss, in words and for every preferred answer.

It holds for a single comparison: then log pi(y_w) rises at the rate beta w (1 - pi_w + pi_l) > 0. With a second comparison the
normaliser can take back more than the pull gives: another answer that is likely and wins more often raises log Z.
"""

from fractions import Fraction

import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.losses import dpo


def flow(policy, wins, price=1):
    """d log pi / dt at pi = pi_ref under a' = -dL/da, exactly; `wins` maps (chosen, rejected) to its weight."""
    at_reference = PairLogProbs(*[sp.S.Zero] * 4)
    pull, push = (Fraction(int(g.p), int(g.q)) for g in map(sp.Rational, dpo.DPO(sp.Integer(price)).gradient(at_reference)))
    velocity = [Fraction(0)] * len(policy)
    for (chosen, rejected), weight in wins.items():
        velocity[chosen] -= weight * pull
        velocity[rejected] -= weight * push
    drift = sum(p * v for p, v in zip(policy, velocity, strict=True))
    return [v - drift for v in velocity]


def certify():
    policy = [Fraction(1, 6), Fraction(1, 6), Fraction(2, 3)]
    alone = flow(policy, {(0, 1): Fraction(1)})
    yield Measured("one comparison, 1 > 2: d log pi(1)/dt", -alone[0], Fraction(0), relation="<", exact=True)
    wins = {(0, 1): Fraction(1, 4), (2, 1): Fraction(3, 4)}
    both = flow(policy, wins)
    yield Measured(
        "pi = pi_ref = (1/6, 1/6, 2/3), beta = 1, 1 > 2 once and 3 > 2 three times: -d log pi(1)/dt",
        -both[0],
        Fraction(0),
        relation="<",
        exact=True,
    )


CLAIM = Claim(
    id="E14",
    aliases=("chosen-likelihood-rises",),
    statement=__doc__,
    source=Source(PAPER, "section 4, 'What does the DPO update do?'"),
    certify=certify,
    expects="refuted",
)
