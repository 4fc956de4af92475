"""DPO that is right on paper: unstable forms, epsilons, casts."""

import numpy as np
import torch

from dpo_theory.audit.record import wrong
from dpo_theory.losses.dpo import DPO

SPEC = DPO(beta=0.1)


def scaled(columns, beta):
    """z."""
    chosen, rejected, ref_chosen, ref_rejected = columns
    return beta * ((chosen - rejected) - (ref_chosen - ref_rejected))


@wrong(SPEC, "finite")
def log_of_sigmoid(pairs, beta=0.1):
    return -torch.log(torch.sigmoid(beta * pairs.margin))


@wrong(SPEC, "finite")
def log_of_one_plus_exp(pairs, beta=0.1):
    return torch.log(1 + torch.exp(-beta * pairs.margin))


@wrong(SPEC, "finite")
def log1p_of_exp(pairs, beta=0.1):
    return torch.log1p(torch.exp(-beta * pairs.margin))


@wrong(SPEC, "finite")
def log_of_one_plus_exp_in_numpy(pairs, beta=0.1):
    return np.log(1 + np.exp(-beta * pairs.margin))


@wrong(SPEC, "log2-at-reference")
def epsilon_inside_the_logarithm(pairs, beta=0.1):
    return -torch.log(torch.sigmoid(beta * pairs.margin) + 1e-6)


@wrong(SPEC, "monotone")
def probability_clamped(pairs, beta=0.1):
    return -torch.log(torch.sigmoid(beta * pairs.margin).clamp(1e-7, 1 - 1e-7)) + 1e-9 * pairs.margin


@wrong(SPEC, "finite")
def quotient_of_exponentials(pairs, beta=0.1):
    chosen, rejected = torch.exp(beta * pairs.chosen_log_ratio), torch.exp(beta * pairs.rejected_log_ratio)
    return -torch.log(chosen / (chosen + rejected))


@wrong(SPEC, "finite")
def in_probabilities(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    odds = (policy_chosen.exp() / ref_chosen.exp()) / (policy_rejected.exp() / ref_rejected.exp())
    return torch.log(1 + odds**-beta)


@wrong(SPEC, "finite")
def both_branches_of_a_where(pairs, beta=0.1):
    z = beta * pairs.margin
    return torch.where(z > 0, torch.log1p(torch.exp(-z)), -z + torch.log1p(torch.exp(z)))


@wrong(SPEC, "finite")
def nan_to_num(pairs, beta=0.1):
    return torch.nan_to_num(-torch.log(torch.sigmoid(beta * pairs.margin)), posinf=0.0)


@wrong(SPEC, "backends-agree")
def float16_inside(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    columns = [c.half() for c in (policy_chosen, policy_rejected, ref_chosen, ref_rejected)]
    return -torch.nn.functional.logsigmoid(scaled(columns, beta).to(policy_chosen.dtype))


@wrong(SPEC, "backends-agree")
def bfloat16_inside(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    columns = [c.bfloat16() for c in (policy_chosen, policy_rejected, ref_chosen, ref_rejected)]
    return -torch.nn.functional.logsigmoid(scaled(columns, beta)).to(policy_chosen.dtype)


@wrong(SPEC, "backends-agree")
def bfloat16_returned(pairs, beta=0.1):
    return -torch.nn.functional.logsigmoid(beta * pairs.margin).bfloat16()


@wrong(SPEC, "backends-agree")
def float16_in_numpy(pairs, beta=0.1):
    return np.logaddexp(0.0, -np.asarray(beta * pairs.margin, dtype=np.float16)).astype(np.float64)


@wrong(SPEC, "backends-agree")
def margin_rounded(pairs, beta=0.1):
    return -torch.nn.functional.logsigmoid(beta * torch.round(100 * pairs.margin) / 100)


@wrong(SPEC, "finite")
def nan_everywhere(pairs, beta=0.1):
    return float("nan") * pairs.margin * beta


@wrong(SPEC, "finite")
def infinite_where_it_is_satisfied(pairs, beta=0.1):
    z = beta * pairs.margin
    return torch.where(z > 50, torch.full_like(z, float("inf")), -torch.nn.functional.logsigmoid(z))
