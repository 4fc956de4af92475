"""The loss depends on the reference.

Some pair's loss changes when its reference log-probabilities change.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.witness import witness


def run(subject, rng):
    pairs = small()
    seen = 0
    for pairs in (small(), wide(rng)):
        moved = pairs._replace(ref_chosen=pairs.ref_chosen - 1.5, ref_rejected=pairs.ref_rejected - 0.25)
        before, after = subject.values(pairs), subject.values(moved)
        seen += int(np.sum(~np.isclose(before, after, rtol=1e-9, atol=1e-12)))
    if seen:
        return holds(seen, 0.0, 0.0, method="pairs whose loss moves with the reference")
    because = "the reference is accepted and ignored, or not there at all"
    return refuted(witness(subject, take(small(), slice(0, 1)), "a loss that moves with the reference", "none moved", because))


CHECK = Check(
    code="P06",
    name="uses-reference",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="subtract the reference's log-probabilities",
)
