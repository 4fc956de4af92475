"""The gradient is the derivative of the value.

Autograd against symmetric differences of the value, extrapolated, wherever the value has no kink: a detached weight, a
`no_grad`, a hand-written backward, or `relu(-z) + log1p(exp(-|z|))`, which has no gradient at the reference, shows here.
Declared `surrogate-gradient`, the converse: a part of the value is held fixed, and somewhere that shows.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted, undecided
from dpo_theory.checks.population import reward_scale
from dpo_theory.checks.witness import slopes_shown, witness

TOLERANCE = 1e-6
STEP = 1e-3
SHARE = 0.02  # of a log-probability, at most: a loss of log(1 - p) bends sharply near 0
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
            expected, smooth, rounding = _differences(subject, pairs, field, step)
            measured = subject.gradients(pairs)[:, column]
            beyond = np.maximum(np.abs(measured - expected) - rounding, 0.0)
            error = np.where(smooth, beyond / np.maximum(1.0, np.abs(expected)), 0.0)
            seen, excused, worst = seen + len(error), excused + int((~smooth).sum()), max(worst, float(error.max()))
            if not error.max() <= tolerance:
                if "surrogate-gradient" in subject.has:
                    return holds(seen, worst, tolerance, method="declared surrogate-gradient: a part of the value is held fixed")
                k = int(np.flatnonzero(~(error <= tolerance))[0])
                one = take(pairs, slice(k, k + 1))
                because = f"autograd does not see the whole derivative in {field}: a detach, a no_grad, a kink that the value does not have"
                shown = witness(subject, one, expected[k], measured[k], because, slopes_shown(subject))
                return refuted(shown, residual=worst, instances=seen)
    if "surrogate-gradient" in subject.has:
        few = take(pairs, slice(0, 6))
        if subject.batch_coupled and any(_held_in_company(subject, few._replace(ref_chosen=few.ref_chosen - k)) for k in (0, 20)):
            return holds(seen, worst, tolerance, method="declared surrogate-gradient: a part of the value is held fixed in a batch")
        because = "declared surrogate-gradient, but autograd is the derivative of the value"
        one = take(pairs, slice(0, 1))
        return refuted(witness(subject, one, "a part that is held fixed", "none", because, slopes_shown(subject)), instances=seen)
    if excused > seen / 2:
        return undecided(f"the value has no derivative near {excused} of {seen} pairs")
    return holds(seen, worst, tolerance, method="autograd against extrapolated differences")


def _differences(subject, pairs, field, step):
    """(N,) derivatives in one field by differences, where they are trusted (no kink within a step), and their rounding."""
    at = np.asarray(getattr(pairs, field), dtype=float)
    step = np.minimum(step, SHARE * np.abs(at))
    high, low, higher, lower = (subject.values(pairs._replace(**{field: at + k * step})) for k in (0.5, -0.5, 1, -1))
    here = subject.values(pairs)
    right, left = (2 * (side - here) / (step / 2) - (far - here) / step for side, far in ((high, higher), (low, lower)))
    smooth = np.abs(right + left) <= KINK * (1 + np.abs(right))
    rounding = 16 * subject.epsilon * np.abs(here) / step
    return (4 * (high - low) / step - (higher - lower) / (2 * step)) / 3, smooth, rounding


def _held_in_company(subject, pairs):
    """The batch's summed loss moves otherwise than its gradient says."""
    whole, seen = subject.raw(pairs, grad=True)
    whole.sum().backward()
    for k in range(len(pairs.policy_chosen)):
        step = np.where(np.arange(len(pairs.policy_chosen)) == k, STEP, 0.0)
        high, low = (subject.raw(pairs._replace(policy_chosen=pairs.policy_chosen + side * step))[0].sum() for side in (1, -1))
        if abs(float(high - low) / (2 * STEP) - float(seen.policy_chosen.grad[k])) > 1e-6:
            return True
    return False


CHECK = Check(
    code="C02",
    name="gradient",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="remove the detach, or declare the surrogate as a loss of its own",
)
