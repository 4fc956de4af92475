"""More probability for the chosen answer never costs, more for the rejected never pays.

dL/dlog pi(y_w|x) <= 0 <= dL/dlog pi(y_l|x) everywhere.
"""

import numpy as np
import sympy as sp

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
            return proved(f"-l' >= 0 on R: {sign.how}")
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
    return holds(seen, max(worst, 0.0), slack)


CHECK = Check(
    code="P10",
    name="monotone",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="look for a swapped sign, swapped answers or smoothing",
)
