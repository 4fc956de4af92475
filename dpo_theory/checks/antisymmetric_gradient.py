"""What pushes the chosen answer up pushes the rejected down by as much.

dL/dlog pi(y_w|x) = -dL/dlog pi(y_l|x).
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import TOLERANCE, decimal
from dpo_theory.checks.witness import witness
from dpo_theory.proof import is_zero
from dpo_theory.reading import Detached


def run(subject, rng):
    worst, seen, tolerance = 0.0, 0, subject.tolerance(TOLERANCE)
    for pairs in (small(), wide(rng)):
        slopes = subject.gradients(pairs)
        error = np.abs(slopes[:, 0] + slopes[:, 1]) / np.maximum(1e-3, np.abs(slopes[:, :2]).max(axis=1))
        worst, seen = max(worst, float(error.max())), seen + len(error)
        if error.max() > tolerance:
            k = int(np.flatnonzero(error > tolerance)[0])
            because = "the two partial derivatives are not opposite"
            return refuted(witness(subject, take(pairs, slice(k, k + 1)), [-slopes[k, 1]], [slopes[k, 0]], because), instances=seen)
    expression = subject.reading.expression
    if expression is not None:
        a, b = subject.reading.symbols[:2]
        total = sp.diff(expression, a) + sp.diff(expression, b)
        if is_zero(decimal(total.replace(Detached, lambda x: x))):
            return proved("the sum of both partial derivatives is identically 0")
    return holds(seen, worst, tolerance)


CHECK = Check(
    code="P09",
    name="antisymmetric-gradient",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="write the loss in the difference of the two log-probabilities",
)
