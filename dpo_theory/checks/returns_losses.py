"""N pairs give N floating-point losses, or their mean or sum.

A tuple is read by its first entry. Integers, a Python number, a table of all pairs against all, or an exception are no losses.
"""

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds


def run(subject, rng):
    batches = (take(small(), [4]), take(small(), [1, 7, 30]), small(), wide(rng))
    for pairs in batches:
        subject.values(pairs)
    seen = sum(len(pairs.policy_chosen) for pairs in batches)
    return holds(seen, 0.0, 0.0, method=f"{subject.backend}, arguments {subject.style}, reduction {subject.reduction}")


CHECK = Check(
    code="C00",
    name="returns-losses",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="return one floating-point loss per pair, shape (N,), in the dtype of the inputs",
)
