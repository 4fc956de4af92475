"""One pair cannot pull without limit.

The partial derivatives in the policy's log-probabilities are bounded.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.batches import extreme, wide
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import margin_pairs, margin_slopes, sign_of
from dpo_theory.checks.witness import witness


def run(subject, rng):
    for direction in (1, -1):
        far = np.abs(margin_slopes(subject, direction * np.array([1e2, 1e3, 1e4])))
        if far[2] > 3 * far[1] > 9 * far[0] and far[2] > 1e-3:
            shown = margin_pairs(direction * np.array([1e2, 1e3, 1e4]))
            return refuted(witness(subject, shown, "a bounded derivative", far, "the derivative grows with the margin"))
    slopes = [np.abs(subject.gradients(pairs)) for pairs in (subject.some(wide(rng)), extreme())]
    sampled = max(float(np.max(slope, initial=0.0, where=np.isfinite(slope))) for slope in slopes)
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        bound = sp.Rational(float(np.ceil(sampled * 1.05 * 1000) / 1000))
        slope = sp.diff(loss, m)
        slack = sp.Rational(1, 10**6)
        if all(sign_of(bound + slack + side * slope, m).positive for side in (1, -1)):
            return proved(f"|l'| < {float(bound):g} + 1e-6 on R")
    return holds(256, sampled, float("inf"), reason=f"largest derivative seen {sampled:.3g}; measured, not proved on R")


CHECK = Check(
    code="P13",
    name="bounded-gradient",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="clip the gradient",
)
