"""Losses that share almost every property with DPO: one or two checks tell."""

import numpy as np
import torch

from dpo_theory._xp import sigmoid, softplus
from dpo_theory.audit.record import wrong
from dpo_theory.losses.dpo import DPO

SPEC = DPO(beta=0.1)
LOG2 = float(np.log(2.0))


@wrong(SPEC, "borda-order")
def mixed_with_the_squared_error(pairs, beta=0.1):
    z = beta * pairs.margin
    return 0.9 * softplus(-z) + 0.4 * LOG2 * sigmoid(-z) ** 2


@wrong(SPEC, "normalised-likelihood")
def squared_error_of_the_probability(pairs, beta=0.1):
    return 4 * LOG2 * sigmoid(-beta * pairs.margin) ** 2


@wrong(SPEC, "bt-proper")
def probit_link(pairs, beta=0.1):
    return -torch.special.log_ndtr(beta * pairs.margin)


@wrong(SPEC, "recovers-kl-optimum")
def probit_link_at_the_same_slope(pairs, beta=0.1):
    return -torch.special.log_ndtr(beta * pairs.margin * float(np.sqrt(np.pi / 8)))


@wrong(SPEC, "recovers-kl-optimum")
def algebraic_link(pairs, beta=0.1):
    z = beta * pairs.margin
    root = torch.sqrt(4 + z**2)
    return -torch.log(torch.where(z > 0, (root + z) / (2 * root), 2 / (root * (root + torch.abs(z)))))


@wrong(SPEC, "bt-proper")
def steeper_where_it_is_wrong(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) + 0.05 * softplus(-z - 3) - 0.05 * float(np.log1p(np.exp(-3.0)))


@wrong(SPEC, "convex")
def wave_on_the_margin(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) + 0.01 * torch.sin(8 * z)


@wrong(SPEC, "normalised-likelihood")
def focal_weight(pairs, beta=0.1):
    z = beta * pairs.margin
    return 2 * sigmoid(-z) * softplus(-z)


@wrong(SPEC, "bounded-below")
def even_term_subtracted(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) - 0.25 * (softplus(z) + softplus(-z) - 2 * LOG2)


@wrong(SPEC, "monotone")
def discovered_mixture(pairs, beta=0.1, tau=0.05):
    z = beta * pairs.margin
    gate = sigmoid(z / tau)
    return LOG2 / 0.8465735902799727 * ((1 - gate) * softplus(-z) + gate * torch.exp(-z))


@wrong(SPEC, "scales-with-beta")
def beta_with_a_floor(pairs, beta=0.1):
    return softplus(-max(beta, 0.1) * pairs.margin)


@wrong(SPEC, "log-ratio-only")
def reference_probability_as_weight(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) * (1 + 0.1 * torch.tanh(pairs.ref_chosen + 10))


@wrong(SPEC, "margin-only")
def agreement_of_both_log_ratios(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) + 0.01 * z * torch.tanh(pairs.chosen_log_ratio + pairs.rejected_log_ratio)


@wrong(SPEC, "shift-invariant")
def total_probability_charged(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) + 1e-4 * (pairs.chosen_log_ratio + pairs.rejected_log_ratio) ** 2


@wrong(SPEC, "log2-at-reference")
def margin_of_a_thousandth(pairs, beta=0.1):
    return softplus(-beta * pairs.margin + 1e-3)


@wrong(SPEC, "same-value", twin=DPO(beta=0.1001))
def beta_off_by_a_thousandth(pairs):
    return softplus(-0.1001 * pairs.margin)
