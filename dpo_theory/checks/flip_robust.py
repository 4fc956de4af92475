"""Symmetric label noise does not move the best margin.

The margins that minimise p l(m) + (1 - p) l(-m) and those at p (1 - eps) + (1 - p) eps have one in common, for eps < 1/2. A loss
that sees more than the margin has the property where a pair and the exchanged pair always have the same sum of losses.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted
from dpo_theory.checks.deciding import decimal, identity, margin_pairs, seen_margin_only
from dpo_theory.checks.normalised_likelihood import exchanged
from dpo_theory.checks.population import APART, best_margins
from dpo_theory.checks.witness import witness
from dpo_theory.proof import is_zero


def run(subject, rng):
    if not seen_margin_only(subject):
        finding = identity(subject, _sums, rng, "the losses of a pair and of the exchanged pair have no constant sum")
        return finding if finding.verdict.holds else not_applicable("the loss is not a function of the margin")
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        slope = sp.diff(loss, m)
        if is_zero(decimal(slope - slope.subs(m, -m))):
            return proved("l(m) + l(-m) is constant: noise only scales the risk")
    for p in (0.7, 0.9):
        for eps in (0.1, 0.3):
            clean, noisy = best_margins(subject, p), best_margins(subject, p * (1 - eps) + (1 - p) * eps)
            gap = max(clean.min() - noisy.max(), noisy.min() - clean.max())
            if gap > APART * max(np.abs(clean).max(), np.abs(noisy).max()):
                because = f"P(chosen wins) = {p}, flip rate {eps}: the best margin moves from {clean[0]:.4g} to {noisy[0]:.4g}"
                return refuted(witness(subject, margin_pairs([clean[0], noisy[0]]), clean[0], noisy[0], because))
    return holds(4, 0.0, APART, method="minimisers of the population risk on a grid")


def _sums(loss, pairs):
    """The two losses together, and what they are where all four log-probabilities are the same."""
    base = pairs._replace(policy_chosen=pairs.ref_chosen, policy_rejected=pairs.ref_chosen, ref_rejected=pairs.ref_chosen)
    return loss(pairs) + loss(exchanged(pairs)), loss(base) + loss(exchanged(base))


CHECK = Check(
    code="P19",
    name="flip-robust",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="debias the labels if the flip rate is known",
)
