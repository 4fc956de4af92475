"""The loss puts the answer that is preferred more often on top.

The margin that minimises p l(m) + (1 - p) l(-m) has the sign of 2p - 1, for every p.
"""

import sympy as sp

from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted
from dpo_theory.checks.deciding import margin_pairs, seen_margin_only, sign_of
from dpo_theory.checks.population import best_margins
from dpo_theory.checks.witness import witness

PROBABILITIES = (0.6, 0.75, 0.9, 0.55)


def run(subject, rng):
    if not seen_margin_only(subject):
        return not_applicable("the loss is not a function of the margin")
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        slope = sp.diff(loss, m).subs(m, 0)
        if slope.is_number and slope.is_negative and sign_of(sp.diff(loss, m, 2), m).nonnegative:
            return proved("l is convex and l'(0) < 0 (Bartlett, Jordan, McAuliffe 2006)")
    for p in PROBABILITIES:
        best = best_margins(subject, p)
        if best.min() <= 0:
            because = f"with P(chosen wins) = {p} the risk is smallest at margin {best.min():g}"
            return refuted(witness(subject, margin_pairs([best.min()]), "a positive margin", best.min(), because))
    return holds(len(PROBABILITIES), 0.0, 0.0, method="population risk on a grid of margins")


CHECK = Check(
    code="P15",
    name="calibrated",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="the loss ranks against the majority somewhere: look at its slope at 0",
)
