"""The same number on every backend and dtype.

float32 and bfloat16 against float64 on the same rounded inputs, NumPy against torch where the loss runs on both; the bound is
the dtype's epsilon times the size of the terms.
"""

import dataclasses

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.signature import RECORDS
from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.witness import witness

ULPS = 64.0


def run(subject, rng):
    worst, seen, compared = 0.0, 0, []
    coarse = _coarse(subject)
    if coarse is not None:
        return coarse
    for pairs in map(subject.some, (small(), wide(rng))):
        for label, other, dtype, epsilon in _others(subject):
            rounded = _rounded(other, pairs, dtype)
            try:
                got = other.values(pairs, dtype)
            except LossFailed:
                continue  # it runs on one backend only
            expected = subject.values(rounded)
            terms = 1 + np.abs(expected) + sum(np.abs(np.asarray(column)) for column in rounded[:4])
            error = np.abs(got - expected) / (max(epsilon, subject.epsilon) * terms)
            worst, seen = max(worst, float(np.max(error))), seen + len(got)
            compared.append(label)
            if not np.max(error) <= ULPS:
                k = int(np.flatnonzero(~(error <= ULPS))[0])
                because = f"{label} differs from float64 by {error[k]:.3g} units of rounding: an unstable form, or a cast inside"
                return refuted(witness(subject, take(rounded, slice(k, k + 1)), expected[k], got[k], because), instances=seen)
    return holds(seen, worst, ULPS, method="compared: " + ", ".join(dict.fromkeys(compared)))


def _coarse(subject):
    """A cast to a lower precision inside: sixteen small steps that the loss should see, and does not."""
    pairs = subject.some(take(small(), slice(0, 81, 2)))
    step = 2.0**-14
    moved = [pairs._replace(policy_chosen=pairs.policy_chosen - k * step) for k in (0, *range(1, 17), 2048)]
    values = np.array([subject.values(at) for at in moved])
    sloped = np.abs(values[-1] - values[0]) > 1e-3
    distinct = np.array([len(np.unique(column)) for column in values[:-1].T])
    lost = sloped & (distinct < 12)
    if lost.sum() <= sloped.sum() / 2:
        return None
    k = int(np.flatnonzero(lost)[0])
    one = take(pairs, slice(k, k + 1))
    because = f"policy_chosen in 16 steps of 6e-5 gives {distinct[k]} values: float16 or bfloat16 inside"
    return refuted(witness(subject, one, "17 values", f"{distinct[k]} values", because), instances=len(distinct))


def _others(subject):
    numpy = dataclasses.replace(subject, backend="numpy") if subject.backend == "torch" and subject.style in RECORDS else None
    yield f"{subject.backend} float32", subject, "float32", 2.0**-23
    if subject.backend == "torch":
        yield "torch bfloat16", subject, "bfloat16", 2.0**-7
    if numpy is not None:
        yield "NumPy float64", numpy, "float64", 2.0**-52


def _rounded(subject, pairs, dtype):
    seen = subject.inputs(pairs, dtype)
    return type(pairs)(*(None if c is None else np.asarray(c.double() if hasattr(c, "double") else c, dtype=float) for c in seen))


CHECK = Check(
    code="C06",
    name="backends-agree",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="stay in log space; do not cast inside the loss",
)
