"""Under Bradley-Terry preferences the population optimum has the true reward differences.

With z = beta m: l'(-z) = e^z l'(z), and the loss falls. Without an option beta, some scale of the margin does it.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted
from dpo_theory.checks.deciding import decimal, margin_pairs, margin_slopes, seen_margin_only, sign_of
from dpo_theory.checks.population import fitted_beta
from dpo_theory.checks.witness import slopes_shown, witness
from dpo_theory.proof import is_zero

TOLERANCE = 1e-8


def run(subject, rng):
    if not seen_margin_only(subject):
        return not_applicable("the loss is not a function of the margin")
    if subject.backend == "numpy" and subject.epsilon > 1e-9:
        return not_applicable("a NumPy function in float32 has no derivatives to compare")
    scale = fitted_beta(subject)
    if scale is None:
        shown = margin_pairs([1.0, -1.0])
        because = "no scale of the margin makes the optimum right: that needs l'(-m) < l'(m) < 0 at m = 1"
        return refuted(
            witness(subject, shown, "l'(-1) < l'(1) < 0", margin_slopes(subject, [-1.0, 1.0]), because, show=slopes_shown(subject))
        )
    tolerance = TOLERANCE if subject.epsilon < 1e-9 else 1e-4
    z = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    up, down = margin_slopes(subject, z / scale), margin_slopes(subject, -z / scale)
    error = np.abs(down - np.exp(z) * up) / np.maximum(np.abs(down), 1e-300)
    falling = (up < 0) & (down < 0)
    if error.max() > tolerance or not falling.all():
        k = int(np.flatnonzero((error > tolerance) | ~falling)[0])
        p = float(1 / (1 + np.exp(-z[k])))
        ratio = f"l'(-z) / l'(z) = {down[k] / up[k]:.6g}, e^z = {np.exp(z[k]):.6g}"
        because = f"the risk at p = {p:.4f} is not smallest at scaled margin {z[k]:g}: {ratio}"
        shown = margin_pairs([z[k] / scale, -z[k] / scale])
        return refuted(witness(subject, shown, f"l'(-z) = {np.exp(z[k]) * up[k]:.12g}", down[k], because), residual=float(error.max()))
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        slope = sp.diff(loss, m)
        s = sp.Rational(repr(scale))
        if is_zero(decimal(slope.subs(m, -m) - sp.exp(s * m) * slope)) and sign_of(-slope, m).positive:
            return proved(f"l'(-m) = exp({float(s):g} m) l'(m) identically, and l' < 0 on R")
    return holds(2 * len(z), float(error.max()), tolerance)


CHECK = Check(
    code="P16",
    name="bt-proper",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="the optimum distorts reward differences; its link says how",
)
