"""The loss is convex in the logits of a tabular policy.

For a function of the margin this is l'' >= 0; in general the second difference along lines of logits of a softmax over three
actions is never negative.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.checks.check import Check, holds, proved, refuted
from dpo_theory.checks.deciding import at_margins, margin_pairs, rational, seen_margin_only, sign_of
from dpo_theory.checks.population import margin_table
from dpo_theory.checks.witness import witness

LINES = 400


def run(subject, rng):
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        sign = sign_of(sp.diff(loss, m, 2), m)
        if sign.nonnegative:
            return proved(f"l'' >= 0 on R: {sign.how}")
        if sign.sign in ("mixed", "-", "0-"):
            found = _midpoint(subject, rational(sign.below))
            if found is not None:
                return found
    if seen_margin_only(subject):
        found = _kinks(subject)
        if found is not None:
            return found
    ends = rng.normal(scale=6.0, size=(2, LINES, 3))
    ref = np.log(rng.dirichlet(np.ones(3), size=LINES))
    ref[::2] = _log_softmax(rng.normal(scale=30.0, size=ref[::2].shape))  # log-ratios of many nats
    points = [_pairs(_log_softmax(z), ref) for z in (ends[0], ends.mean(axis=0), ends[1])]
    low, middle, high = (subject.values(pairs) for pairs in points)
    excess = middle - (low + high) / 2
    scale = subject.tolerance(1e-9) * (1 + np.abs(low) + np.abs(high) + _size(subject, points))
    if (excess > scale).any():
        k = int(np.argmax(excess / scale))
        shown = PairLogProbs(*(np.array([np.asarray(pairs[i])[k] for pairs in points]) for i in range(6)))
        because = "the middle of a line of logits lies above the chord"
        return refuted(witness(subject, shown, f"<= {(low[k] + high[k]) / 2:.9g} in the middle", middle[k], because))
    return holds(LINES, float(np.max(excess)), 0.0, method="midpoints of lines in logits", reason="measured, not proved on R")


def _kinks(subject):
    """A function of the margin with kinks: chords of its table."""
    margins, values = margin_table(subject)
    share = (margins[1:-1] - margins[:-2]) / (margins[2:] - margins[:-2])
    excess = values[1:-1] - (1 - share) * values[:-2] - share * values[2:]
    bad = excess > subject.tolerance(1e-9) * (1 + np.abs(values[1:-1]))
    if not bad.any():
        return None
    k = int(np.argmax(np.where(bad, excess, 0.0)))
    because = f"the loss is not convex at margin {margins[k + 1]:.6g}"
    chord = values[k + 1] - excess[k]
    return refuted(witness(subject, margin_pairs(margins[k : k + 3]), f"<= {chord:.12g} in the middle", values[k + 1], because))


def _midpoint(subject, at):
    """Three margins around a point of negative curvature."""
    for width in (1.0, 0.25, 0.05):
        margins = np.array([at - width, at, at + width])
        low, middle, high = at_margins(subject, margins)
        if middle > (low + high) / 2 + 1e-12:
            because = f"the loss is not convex at margin {at:g}"
            return refuted(witness(subject, margin_pairs(margins), f"<= {(low + high) / 2:.12g} in the middle", middle, because))
    return None


def _pairs(log_policy, ref):
    lengths = np.resize([[3.0, 5.0], [3.0, 5.0], [500.0, 1.0], [500.0, 1.0]], (len(ref), 2))
    return PairLogProbs(log_policy[:, 0], log_policy[:, 1], ref[:, 0], ref[:, 1], lengths[:, 0], lengths[:, 1])


def _size(subject, points):
    """Log-probabilities add their own rounding where the loss computes in float32."""
    return 0.0 if subject.epsilon < 1e-9 else sum(np.abs(np.asarray(column)) for column in points[1][:4])


def _log_softmax(z):
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


CHECK = Check(
    code="P11",
    name="convex",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="expect several minima: start from several points",
)
