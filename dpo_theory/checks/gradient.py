"""The gradient is the derivative of the value.

Autograd against symmetric differences of the value, extrapolated twice, at the pair and a little beside it, so that a kink
accuses nobody: a detached weight, a `no_grad`, or a hand-written backward shows here.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted
from dpo_theory.checks.population import reward_scale
from dpo_theory.checks.witness import slopes_shown, witness

TOLERANCE = 1e-6
STEP = 1e-3
BESIDE = 13.7  # steps


def run(subject, rng):
    if subject.backend != "torch":
        return not_applicable("a NumPy function has no autograd")
    single = subject.epsilon > 1e-9
    tolerance = 1e-3 if single else TOLERANCE
    step = (50 if single else 1) * STEP * min(1.0, reward_scale(subject))
    worst, seen = 0.0, 0
    for pairs in map(subject.some, (small(),) if single else (small(), wide(rng, 128))):
        for column, field in enumerate(("policy_chosen", "policy_rejected")):
            beside = pairs._replace(**{field: getattr(pairs, field) - BESIDE * step})
            measured, expected = zip(*(_both(subject, at, column, field, step) for at in (pairs, beside)), strict=True)
            apart = [np.abs(m - e) / np.maximum(1.0, np.abs(e)) for m, e in zip(measured, expected, strict=True)]
            error = np.fmin(*apart)
            seen, worst = seen + len(error), max(worst, float(error.max()))
            if not error.max() <= tolerance:
                k = int(np.flatnonzero(~(error <= tolerance))[0])
                one = take(pairs, slice(k, k + 1))
                because = f"autograd does not see the whole derivative in {field}: a detach, a no_grad, a round trip through NumPy"
                shown = witness(subject, one, expected[0][k], measured[0][k], because, slopes_shown(subject))
                return refuted(shown, residual=worst, instances=seen)
    return holds(seen, worst, tolerance, method="autograd against extrapolated differences")


def _both(subject, pairs, column, field, step):
    """(N,) derivatives in one field by autograd, and by differences."""
    coarse, fine = (_difference(subject, pairs, field, h) for h in (step, step / 2))
    return subject.gradients(pairs)[:, column], (4 * fine - coarse) / 3


def _difference(subject, pairs, field, step):
    at = getattr(pairs, field)
    high, low = (subject.values(pairs._replace(**{field: at + side * step})) for side in (1, -1))
    return (high - low) / (2 * step)


CHECK = Check(
    code="C02",
    name="gradient",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="remove the detach, or declare the surrogate as a loss of its own",
)
