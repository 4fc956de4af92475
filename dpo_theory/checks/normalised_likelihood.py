"""exp(-loss) is a probability: with chosen and rejected exchanged, the two sum to 1.

With `margin-only` and `bt-proper` this pins DPO down: l is the negative log of a link q with q(z) + q(-z) = 1.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import small
from dpo_theory.checks.check import Check
from dpo_theory.checks.deciding import identity


def exchanged(pairs):
    pc, pr, rc, rr, nc, nr = pairs[:6]
    return PairLogProbs(pr, pc, rr, rc, nr, nc)


def sides(loss, pairs):
    exp = sp.exp if isinstance(pairs.policy_chosen, sp.Expr) else np.exp
    return exp(-loss(pairs)) + exp(-loss(exchanged(pairs))), 1


def run(subject, rng):
    because = "exp(-loss) of a pair and of the exchanged pair do not sum to 1: the loss is no negative log-likelihood"
    return identity(subject, sides, rng, because, show="np.exp(-np.asarray(loss(pairs)))", batches=(small(),))


CHECK = Check(
    code="P02",
    name="normalised-likelihood",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="do not scale, smooth or offset the negative log-likelihood",
)
