"""The inputs are not modified.

An in-place operation on a log-probability changes what the caller holds, and breaks autograd.
"""

import numpy as np

from dpo_theory.checks.batches import small, take
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.witness import witness


def run(subject, rng):
    pairs = take(small(), slice(0, 27))
    _, seen = subject.raw(pairs)
    for name, before, after in zip(pairs._fields, pairs, seen, strict=True):
        if before is None:
            continue
        after = np.asarray(after.detach() if hasattr(after, "detach") else after)
        if after.shape != np.shape(before) or not np.array_equal(after, before):
            because = f"{name} was changed in place"
            return refuted(witness(subject, take(pairs, slice(0, 1)), f"{name} unchanged", f"{name} changed", because))
    return holds(27, 0.0, 0.0, method="inputs compared before and after")


CHECK = Check(
    code="C09",
    name="inputs-untouched",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="use a - b, not a -= b",
)
