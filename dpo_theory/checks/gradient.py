"""The gradient is the derivative of the value.

Autograd against symmetric differences of the value, extrapolated twice, away from kinks: a detached weight, a `no_grad`, or a
hand-written backward shows here.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted
from dpo_theory.checks.witness import witness

TOLERANCE = 1e-6
STEP = 1e-3


def run(subject, rng):
    if subject.backend != "torch":
        return not_applicable("a NumPy function has no autograd")
    worst, seen = 0.0, 0
    for pairs in (small(), wide(rng, 128)):
        slopes = subject.gradients(pairs)
        for column, field in enumerate(("policy_chosen", "policy_rejected")):
            coarse, fine = (_difference(subject, pairs, field, h) for h in (STEP, STEP / 2))
            sides = [_difference(subject, pairs, field, STEP, s) for s in (1, -1)]
            smooth = np.abs(sides[0] - sides[1]) <= 1e-2 * (1 + np.abs(coarse))
            expected = (4 * fine - coarse) / 3
            error = np.where(smooth, np.abs(slopes[:, column] - expected) / np.maximum(1.0, np.abs(expected)), 0.0)
            seen += int(smooth.sum())
            worst = max(worst, float(error.max()))
            if not error.max() <= TOLERANCE:
                k = int(np.flatnonzero(~(error <= TOLERANCE))[0])
                one = take(pairs, slice(k, k + 1))
                because = f"autograd does not see the whole derivative in {field}: a detach, a no_grad, a round trip through NumPy"
                return refuted(witness(subject, one, expected[k], slopes[k, column], because), residual=worst, instances=seen)
    return holds(seen, worst, TOLERANCE, method="autograd against extrapolated differences")


def _difference(subject, pairs, field, step, side=0):
    """Symmetric difference quotient, or one-sided with side = 1 or -1."""
    at = getattr(pairs, field)
    high = subject.values(pairs._replace(**{field: at + (step if side >= 0 else 0)}))
    low = subject.values(pairs._replace(**{field: at - (step if side <= 0 else 0)}))
    return (high - low) / (2 * step if side == 0 else step)


CHECK = Check(
    code="C02",
    name="gradient",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="remove the detach, or declare the surrogate as a loss of its own",
)
