"""Each pair has its own loss.

The losses of a batch are those of its pairs alone; a mean or a sum is the mean or the sum of the singles. Declared
`batch-coupled`, the converse: some pair's loss changes with its company.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.returned import numeric, singles
from dpo_theory.checks.witness import witness

TOLERANCE = 1e-12


def run(subject, rng):
    worst, seen, coupled, tolerance = 0.0, 0, None, subject.tolerance(TOLERANCE)
    batches = [take(small(), rng.permutation(81)[:size]) for size in (2, 3, 7)] + [wide(rng, 12), wide(rng, 33)]
    for pairs in batches:
        alone = np.array([numeric(subject.raw(one)[0]).reshape(-1)[0] for one in singles(pairs)])
        together = numeric(subject.raw(pairs)[0])
        expected = {"none": alone, "mean": alone.mean(), "sum": alone.sum()}[subject.reduction]
        if together is None or together.shape not in (np.shape(expected), (1,) if subject.reduction != "none" else None):
            shape = None if together is None else together.shape
            because = "one loss per pair, or their mean or sum, is expected"
            return refuted(witness(subject, pairs, f"shape {np.shape(expected)}", f"shape {shape}", because, "loss(pairs).shape"))
        error = np.abs(together.reshape(np.shape(expected)) - expected) / np.maximum(1.0, np.abs(expected))
        worst, seen = max(worst, float(np.max(error))), seen + len(alone)
        if not np.max(error) <= tolerance:
            coupled = coupled or (pairs, expected, together)
    if subject.batch_coupled:
        if coupled is None:
            because = "declared batch-coupled, but no pair's loss changed with its company"
            return refuted(witness(subject, batches[0], "a loss that depends on the batch", "none", because))
        return holds(seen, worst, tolerance, method="declared batch-coupled: pairs see each other")
    if coupled is not None:
        pairs, expected, together = coupled
        because = "pairs of a batch see each other: a batch statistic, a sort, or a reduction over the wrong axis"
        return refuted(witness(subject, pairs, expected, together, because), residual=worst, instances=seen)
    return holds(seen, worst, tolerance, method=f"batches against singles, reduction {subject.reduction}")


CHECK = Check(
    code="C03",
    name="per-example",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy='return one loss per pair, or declare has={"batch-coupled"}',
)
