"""More probability for the chosen answer never costs, more for the rejected never pays.

dL/dlog pi(y_w|x) <= 0 <= dL/dlog pi(y_l|x) everywhere, and no jump goes the other way.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import extreme, small, take, wide
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import margin_pairs, rational, sign_of
from dpo_theory.checks.witness import witness

SLACK = 1e-12


def run(subject, rng):
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        sign = sign_of(-sp.diff(loss, m), m)
        if sign.nonnegative:
            return _against_a_step(subject) or proved(f"-l' >= 0 on R: {sign.how}")
        if sign.sign in ("mixed", "-", "0-"):
            at = rational(sign.below)
            pairs = margin_pairs([at])
            slope = subject.gradients(pairs)[0, 0]
            if slope > 0:
                because = f"at margin {at:g} the loss rises with the margin ({sign.how})"
                return refuted(witness(subject, pairs, "dL/dlog pi_w <= 0", slope, because), method=sign.how)
    worst, seen, slack = 0.0, 0, subject.tolerance(SLACK)
    for pairs in (small(), wide(rng), extreme()):
        slopes = subject.gradients(pairs)
        wrong = np.maximum(slopes[:, 0], -slopes[:, 1])
        worst, seen = max(worst, float(wrong.max())), seen + len(wrong)
        if wrong.max() > slack:
            k = int(np.flatnonzero(wrong > slack)[0])
            because = "the gradient pushes the chosen answer down, or the rejected one up"
            return refuted(witness(subject, take(pairs, slice(k, k + 1)), "dL/dlog pi_w <= 0 <= dL/dlog pi_l", slopes[k, :2], because))
    return _against_a_step(subject) or holds(seen, max(worst, 0.0), slack)


def _against_a_step(subject):
    """Half a nat less for the rejected answer costs, or half a nat less for the chosen one pays: slopes do not see a jump."""
    for pairs in (small(), extreme()):
        here = subject.values(pairs)
        lower = pairs._replace(policy_rejected=pairs.policy_rejected - 0.5), pairs._replace(policy_chosen=pairs.policy_chosen - 0.5)
        gains = subject.values(lower[0]) - here, here - subject.values(lower[1])
        size = 1 + np.abs(here) + sum(np.abs(column) for column in pairs[:4])
        for gain, moved, what in zip(gains, lower, ("rejected", "chosen"), strict=True):
            if (gain > subject.tolerance(1e-9) * size).any():
                k = int(np.flatnonzero(gain > subject.tolerance(1e-9) * size)[0])
                both = PairLogProbs(*(None if a is None else np.array([a[k], b[k]]) for a, b in zip(pairs, moved, strict=True)))
                values = np.array([here[k], here[k] + (gain[k] if what == "rejected" else -gain[k])])
                because = f"half a nat less for the {what} answer moves the loss the wrong way"
                said = "no larger" if what == "rejected" else "no smaller"
                return refuted(witness(subject, both, f"the second loss {said}", values, because))
    return None


CHECK = Check(
    code="P10",
    name="monotone",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="look for a swapped sign, swapped answers or smoothing",
)
