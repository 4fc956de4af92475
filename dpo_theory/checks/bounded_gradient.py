"""One pair cannot pull without limit.

The partial derivatives in the policy's log-probabilities are bounded, for margins far out and for probabilities near 1.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.batches import extreme, wide
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import margin_pairs, margin_slopes, sign_of
from dpo_theory.checks.witness import witness


def run(subject, rng):
    for direction in (1, -1):
        for margins in (np.array([1e2, 1e3, 1e4]), np.array([10.0, 30.0, 100.0])):
            far = np.abs(margin_slopes(subject, direction * margins))
            if far[2] > 3 * far[1] > 9 * far[0] and far[2] > 1e-3:
                shown = margin_pairs(direction * margins)
                return refuted(witness(subject, shown, "a bounded derivative", far, "the derivative grows with the margin"))
    certain = _near_certain()
    near = np.abs(subject.gradients(certain)).max(axis=1)
    if (near[1:] > 3 * near[:-1]).all() and near[-1] > 1e-3:
        return refuted(witness(subject, certain, "a bounded derivative", near, "the derivative grows as a probability goes to 1"))
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


def _near_certain():
    """Pairs whose answers both have almost all of the probability."""
    logp = -np.array([1e-3, 1e-5, 1e-7, 1e-9])
    return PairLogProbs(logp, logp, np.full(4, -1.0), np.full(4, -1.0), np.full(4, 4.0), np.full(4, 4.0))


CHECK = Check(
    code="P13",
    name="bounded-gradient",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="clip the gradient",
)
