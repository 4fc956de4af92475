"""The order of the batch does not matter.

Permuting the pairs permutes the losses; a mean or a sum does not change.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.returned import numeric
from dpo_theory.checks.witness import witness

TOLERANCE = 1e-11


def run(subject, rng):
    worst, seen, tolerance = 0.0, 0, subject.tolerance(TOLERANCE)
    for pairs in (take(small(), [0, 5, 40]), take(small(), slice(None)), wide(rng, 65)):
        order = rng.permutation(len(pairs.policy_chosen))
        before, after = (np.asarray(numeric(subject.raw(p)[0]), dtype=float) for p in (pairs, take(pairs, order)))
        expected = before[order] if subject.reduction == "none" and before.ndim == 1 and not subject.batch_coupled else before
        if subject.batch_coupled and before.ndim == 1:
            expected, after = np.sort(before), np.sort(after)  # a coupled loss may name its pairs anew
        error = np.abs(after - expected) / np.maximum(1.0, np.abs(expected))
        worst, seen = max(worst, float(np.max(error))), seen + len(order)
        if not np.max(error) <= tolerance:
            because = "the loss depends on the place of a pair in its batch"
            return refuted(witness(subject, take(pairs, order), expected, after, because), residual=worst, instances=seen)
    return holds(seen, worst, tolerance, method="permuted batches")


CHECK = Check(
    code="C04",
    name="batch-order",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="do not index the batch by position",
)
