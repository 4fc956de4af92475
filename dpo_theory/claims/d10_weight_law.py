r"""Law of the weight of a comparison.

    w(z) = s(rhat_l - rhat_w) = s(-z) = 1 - P(the model agrees with the label),    z = rhat_w - rhat_l:

strictly between 0 and 1, one half at the reference, strictly falling in the margin, below e^-z for satisfied pairs and within
e^z of 1 for pairs ordered badly. So the gradient per nat of margin is below beta, for N comparisons below N beta.

Why: s' = -w (1 - w) for w = s(-z), and 1/(1 + e^z) < e^-z.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, t
from dpo_theory.claims.pairs import batch, compared, every_pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    pairs, loss = batch(), dpo.DPO(beta)
    weight = loss.weight(pairs)[k]
    chosen, rejected = (part[k] for part in loss.rewards(pairs))
    yield Step(
        "one minus the model's probability of the label",
        weight,
        1 - sp.exp(preferences.bradley_terry(chosen, rejected)),
        "eq. 1 at the implicit rewards",
        sizes="every N",
    )
    yield Step("above 0", weight, 0, sizes="every N", relation=">")
    yield Step("below 1", 1, weight, sizes="every N", relation=">")
    at_reference = PairLogProbs(pairs.ref_chosen, pairs.ref_rejected, pairs.ref_chosen, pairs.ref_rejected)
    yield Step("one half at the reference", loss.weight(at_reference)[k], sp.Rational(1, 2), sizes="every N")
    moved = pairs._replace(policy_chosen=pairs.policy_chosen + t)
    slope = sp.diff(loss.weight(moved)[k], t).subs(t, 0)
    yield Step("slope in the margin", slope, -beta * weight * (1 - weight), "s' = s (1 - s)", sizes="every N")
    yield Step("strictly falling", 0, slope, "both factors are positive", sizes="every N", relation=">")
    growth = sp.exp(chosen - rejected)
    yield Step("satisfied pairs", 1 / growth, weight, "w < e^-z", sizes="every N", relation=">")
    yield Step("badly ordered pairs", growth, 1 - weight, "1 - w < e^z", sizes="every N", relation=">")
    pull = -loss.gradient(pairs)[0]
    yield Step("each pull is positive", pull[k], 0, "the chosen answer is pulled up", sizes="every N", relation=">")
    yield Step("and stays below beta", beta, pull[k], "so N of them stay below N beta", sizes="every N", relation=">")


def certify(bandit, rng):
    pairs = compared(random_log_policy(bandit, rng), bandit, every_pair(bandit))
    loss = dpo.DPO(bandit.beta)
    weight = loss.weight(pairs)
    chosen, rejected = loss.rewards(pairs)
    yield Measured("weight against 1 - P(label)", weight, -np.expm1(preferences.bradley_terry(chosen, rejected)))
    yield Measured("weight above 0", -weight, 0.0, relation="<")
    here = np.sort(chosen - rejected)
    ladder = PairLogProbs(here / bandit.beta, *np.zeros((3, len(here))))
    yield Measured("falling along the sorted margins", np.diff(loss.weight(ladder)), 0.0, relation="<=")
    yield Measured("gradient per nat of margin below beta", np.abs(loss.gradient(pairs)[0]), bandit.beta, relation="<=")
    reference = compared(bandit.log_ref, bandit, every_pair(bandit))
    yield Measured("weight at the reference", loss.weight(reference), 0.5)


def negative_beta():
    try:
        dpo.DPO(-1.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    mirrored = PairLogProbs(np.zeros(2), np.array([0.0, 2.0]), np.zeros(2), np.zeros(2))
    weight = dpo.DPO(1.0).weight(mirrored)
    return breaks(
        weight[1] > weight[0],
        problem="beta = -1, margins 0 and 2",
        expected="the larger margin weighs less",
        got=f"s(z) = {weight[0]:.4f}, {weight[1]:.4f}; refused: {refused}",
        because="a negative beta pays for leaving the reference and pulls the rejected answer up",
    )


CLAIM = Claim(
    id="D10",
    aliases=("weight-law",),
    statement=__doc__,
    source=Source(PAPER, "section 4, the display after eq. 7"),
    assumes=("beta > 0",),
    derive=derive,
    certify=certify,
    edges={"beta > 0": negative_beta},
)
