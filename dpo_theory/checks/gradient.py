"""The gradient is the derivative of the value.

Autograd against symmetric differences of the value, extrapolated, wherever the value has no kink: a detached weight, a
`no_grad`, a hand-written backward, or `relu(-z) + log1p(exp(-|z|))`, which has no gradient at the reference, shows here.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted, undecided
from dpo_theory.checks.population import reward_scale
from dpo_theory.checks.witness import slopes_shown, witness

TOLERANCE = 1e-6
STEP = 1e-3
KINK = 1e-3  # one-sided derivatives that differ by more mean a kink


def run(subject, rng):
    if subject.backend != "torch":
        return not_applicable("a NumPy function has no autograd")
    single = subject.epsilon > 1e-9
    tolerance = 1e-3 if single else TOLERANCE
    step = (50 if single else 1) * STEP * min(1.0, reward_scale(subject))
    worst, seen, excused = 0.0, 0, 0
    for pairs in map(subject.some, (small(),) if single else (small(), wide(rng, 128))):
        for column, field in enumerate(("policy_chosen", "policy_rejected")):
            expected, smooth = _differences(subject, pairs, field, step)
            measured = subject.gradients(pairs)[:, column]
            error = np.where(smooth, np.abs(measured - expected) / np.maximum(1.0, np.abs(expected)), 0.0)
            seen, excused, worst = seen + len(error), excused + int((~smooth).sum()), max(worst, float(error.max()))
            if not error.max() <= tolerance:
                k = int(np.flatnonzero(~(error <= tolerance))[0])
                one = take(pairs, slice(k, k + 1))
                because = f"autograd does not see the whole derivative in {field}: a detach, a no_grad, a kink that the value does not have"
                shown = witness(subject, one, expected[k], measured[k], because, slopes_shown(subject))
                return refuted(shown, residual=worst, instances=seen)
    if excused > seen / 2:
        return undecided(f"the value has no derivative near {excused} of {seen} pairs")
    return holds(seen, worst, tolerance, method="autograd against extrapolated differences")


def _differences(subject, pairs, field, step):
    """(N,) derivatives in one field by differences, and where they are trusted: no kink within a step."""
    at = getattr(pairs, field)
    high, low, higher, lower = (subject.values(pairs._replace(**{field: at + k * step})) for k in (0.5, -0.5, 1, -1))
    here = subject.values(pairs)
    right, left = (2 * (side - here) / (step / 2) - (far - here) / step for side, far in ((high, higher), (low, lower)))
    smooth = np.abs(right + left) <= KINK * (1 + np.abs(right))
    return (4 * (high - low) / step - (higher - lower) / (2 * step)) / 3, smooth


CHECK = Check(
    code="C02",
    name="gradient",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="remove the detach, or declare the surrogate as a loss of its own",
)
