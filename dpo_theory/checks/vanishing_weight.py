"""A pair that is satisfied stops pulling.

l'(m) -> 0 as the margin grows.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import margin_pairs, margin_slopes
from dpo_theory.checks.witness import witness
from dpo_theory.rigor.limit import TimeLimit, time_limit


def run(subject, rng):
    far = np.array([1e3, 3e3, 1e4])
    slopes = np.abs(margin_slopes(subject, far))
    largest = float(np.abs(margin_slopes(subject, np.linspace(-100, 100, 201))).max())
    if slopes[2] > 1e-3 * largest and slopes[2] > 0.5 * slopes[0]:
        return refuted(witness(subject, margin_pairs(far[2:]), "0", slopes[2], "the derivative does not vanish at margin 1e4"))
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        try:
            with time_limit(2.0):
                if sp.limit(sp.diff(loss, m), m, sp.oo) == 0:
                    return proved("the limit of l' at infinity is 0")
        except (TimeLimit, TypeError, NotImplementedError, ValueError):
            pass
    return holds(3, float(slopes[2]), 1e-3 * largest, reason="measured at margin 1e4, not a limit")


CHECK = Check(
    code="P14",
    name="vanishing-weight",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="expect satisfied pairs to go on pulling",
)
