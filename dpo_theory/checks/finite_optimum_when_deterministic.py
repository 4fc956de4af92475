"""A pair that is always won has a finite best margin.

The infimum of l is attained at a finite margin.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted
from dpo_theory.checks.deciding import at_margins, margin_pairs, margin_slopes, seen_margin_only, sign_of
from dpo_theory.checks.population import EDGE, best_margins, reward_scale
from dpo_theory.checks.witness import witness

FALLING = np.array([3.0, 5.0, 10.0, 20.0, 30.0])  # nats of scaled margin


def run(subject, rng):
    if not seen_margin_only(subject):
        return not_applicable("the loss is not a function of the margin")
    far = np.array([10.0, 100.0, 1000.0]) * reward_scale(subject)
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        sign = sign_of(-sp.diff(loss, m), m)
        if sign.positive:
            because = f"l' < 0 on R ({sign.how}): the margin of a pair that is always won goes to infinity"
            return refuted(witness(subject, margin_pairs(far[:2]), "a smallest loss", at_margins(subject, far[:2]), because))
    slopes, falling = margin_slopes(subject, FALLING * reward_scale(subject)), at_margins(subject, FALLING * reward_scale(subject))
    if (slopes < 0).all() and (np.diff(falling) <= 0).all() and slopes[-1] > slopes[0] / 10:
        because = "the loss still falls, ever more slowly, at the largest margins that were looked at"
        return refuted(witness(subject, margin_pairs(far[:2]), "a smallest loss", at_margins(subject, far[:2]), because))
    best = best_margins(subject, 1.0)
    edge = EDGE * reward_scale(subject)
    if best.max() >= edge and best.min() > 0.5 * edge:
        because = "the loss still falls at the largest margins that were looked at"
        return refuted(witness(subject, margin_pairs(far), "a smallest loss", at_margins(subject, far), because))
    beyond = at_margins(subject, far).min()
    here = at_margins(subject, best[:1])[0]
    if beyond < here - 1e-12 * (1 + abs(here)):
        because = "the loss is smaller at a margin far beyond"
        return refuted(witness(subject, margin_pairs(far), f">= {here:.12g}", beyond, because))
    if subject.margin_expression is not None and sign_of(sp.diff(subject.margin_expression[0], m, 2), m).nonnegative:
        return proved(f"l is convex and smallest at margin {best[0]:g}")
    return holds(4801, 0.0, 0.0, method=f"smallest at margin {best[0]:g} on a grid and beyond")


CHECK = Check(
    code="P18",
    name="finite-optimum-when-deterministic",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="deterministic labels drive margins to infinity: smooth the labels or bound the margin",
)
