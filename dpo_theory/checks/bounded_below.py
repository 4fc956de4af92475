"""The loss of a pair cannot fall for ever.

There is a floor under l on all of R; measured to margins of 1e4 where there is no expression.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.batches import extreme, take
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import at_margins, margin_pairs, sign_of
from dpo_theory.checks.witness import witness

FAR = np.array([1e2, 1e3, 1e4])


def run(subject, rng):
    for direction in (1, -1):
        far = at_margins(subject, direction * FAR)
        if far[2] < far[1] - 1.0 and far[1] < far[0] - 0.1 and far[2] < -1.0:
            because = f"the loss falls without end as the margin goes to {'+' if direction > 0 else '-'}infinity"
            return refuted(witness(subject, margin_pairs(direction * FAR), "a floor", far, because))
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        grid = at_margins(subject, np.linspace(-60, 60, 481))
        floor = sp.Rational(float(np.floor(grid.min() * 1000) / 1000)) - sp.Rational(1, 1000)
        for bound in (sp.S.Zero, floor):
            if bound <= floor + 1 and sign_of(loss - bound + sp.Rational(1, 10**6), m).positive:
                return proved(f"l > {bound} - 1e-6 on R")
    pairs = extreme()
    values = subject.values(pairs)
    if values.min() < -1e3:
        k = int(values.argmin())
        return refuted(witness(subject, take(pairs, slice(k, k + 1)), "a floor", values[k], "a log-probability goes to minus infinity"))
    return holds(len(values), 0.0, 0.0, reason="measured on margins to 1e4, not proved on R")


CHECK = Check(
    code="P12",
    name="bounded-below",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="an empirical minimiser may not exist; clip or regularise",
)
