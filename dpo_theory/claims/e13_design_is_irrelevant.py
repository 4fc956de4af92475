r"""How often each pair is compared does not matter.

    on a connected design, every choice of positive weights gives eq. 7 the same population minimiser.

True exactly if every compared pair is fitted exactly, that is if the preferences restricted to the design's graph are Bradley-Terry (all
cycle sums of logit p are 0): always on a tree, and for Bradley-Terry preferences by claim D07b. For a circle of preferences the minimiser
depends on the weights: with equal weights it is the reference, and one pair compared twice as often moves it.
"""

from fractions import Fraction

import numpy as np

from bandits import solve
from bandits.problem import TabularBandit
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.losses import dpo

PAIRS = {(0, 1): Fraction(2, 3), (1, 2): Fraction(2, 3), (0, 2): Fraction(1, 3)}  # P(i beats j)


def certify():
    equal, doubled = (_slope_at_reference({pair: 1 + (pair == (0, 1)) * more for pair in PAIRS}) for more in (0, 1))
    yield Measured("a circle of 2/3, equal weights: slope of eq. 7 at pi_ref", equal, (0, 0, 0), exact=True)
    yield Measured("the first pair compared twice as often", doubled, (0, 0, 0), exact=True)


def _slope_at_reference(weights):
    """d/d(beta h_i) of the sum over pairs of w (p log 1/s(z) + (1 - p) log 1/s(-z)), z = beta (h_i - h_j) = 0."""
    slope = [Fraction(0)] * 3
    for (i, j), weight in weights.items():
        pull = weight * (Fraction(1, 2) - PAIRS[i, j])
        slope[i] += pull
        slope[j] -= pull
    return tuple(slope)


def search():
    wins, bandit = np.full((1, 3, 3), 0.5), TabularBandit([1.0], [[0.0] * 3], np.log([[1 / 3] * 3]), 1.0)
    equal, doubled = (np.ones((1, 3, 3)) - np.eye(3) for _ in range(2))
    for (i, j), p in PAIRS.items():
        wins[0, i, j], wins[0, j, i] = float(p), float(1 - p)
    doubled[0, 0, 1] = doubled[0, 1, 0] = 2.0
    found = [solve.minimise_loss(bandit, dpo.DPO(1.0), design=d, preferences=wins).policy for d in (equal, doubled)]
    yield Measured("minimisers by search: first pair doubled, and equal weights", found[1], found[0], tolerance=1e-6)


CLAIM = Claim(
    id="E13",
    aliases=("design-irrelevant",),
    statement=__doc__,
    source=Source(PAPER, "section 4 read for preferences that are not Bradley-Terry"),
    certify=certify,
    search=search,
    expects="refuted",
)
