"""DPO of the right value and the wrong gradient."""

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from dpo_theory.audit.record import wrong
from dpo_theory.losses.dpo import DPO

SPEC = DPO(beta=0.1)


@wrong(SPEC, "gradient")
def policy_detached(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen - policy_rejected).detach() - (ref_chosen - ref_rejected)))


@wrong(SPEC, "gradient")
def rejected_detached(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen - policy_rejected.detach()) - (ref_chosen - ref_rejected)))


@wrong(SPEC, "gradient")
def chosen_detached(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen.detach() - policy_rejected) - (ref_chosen - ref_rejected)))


@wrong(SPEC, "gradient")
def under_no_grad(pairs, beta=0.1):
    with torch.no_grad():
        return -logsigmoid(beta * pairs.margin)


@wrong(SPEC, "gradient")
def zero_gradient(pairs, beta=0.1):
    return -logsigmoid(beta * pairs.margin).detach() + 0 * pairs.margin


@wrong(SPEC, "gradient")
def gradient_doubled(pairs, beta=0.1):
    loss = -logsigmoid(beta * pairs.margin)
    return 2 * loss - loss.detach()


@wrong(SPEC, "gradient")
def gradient_of_the_wrong_sign(pairs, beta=0.1):
    loss = -logsigmoid(beta * pairs.margin)
    return 2 * loss.detach() - loss


@wrong(SPEC, "gradient")
def weight_detached(pairs, beta=0.1):
    loss = -logsigmoid(beta * pairs.margin)
    weight = torch.sigmoid(pairs.margin)
    return loss * (1 + weight - weight.detach())


@wrong(SPEC, "gradient")
def through_numpy(pairs, beta=0.1):
    value = np.logaddexp(0.0, -beta * pairs.margin.detach().numpy())
    return torch.from_numpy(value) + 0 * pairs.margin


class _WithoutBeta(torch.autograd.Function):
    @staticmethod
    def forward(context, margin, beta):
        context.save_for_backward(margin)
        context.beta = beta
        return -logsigmoid(beta * margin)

    @staticmethod
    def backward(context, above):
        (margin,) = context.saved_tensors
        return -above * torch.sigmoid(-context.beta * margin), None


@wrong(SPEC, "gradient")
def backward_without_beta(pairs, beta=0.1):
    return _WithoutBeta.apply(pairs.margin, beta)


@wrong(SPEC, "gradient")
def gradient_clipped(pairs, beta=0.1):
    margin = pairs.margin
    if margin.requires_grad:
        margin.register_hook(lambda above: above.clamp(-0.02, 0.02))
    return -logsigmoid(beta * margin)


@wrong(SPEC, "gradient")
def gradient_of_satisfied_pairs_dropped(pairs, beta=0.1):
    margin = pairs.margin
    return -logsigmoid(beta * torch.where(margin > 1, margin.detach(), margin))


@wrong(SPEC, "reference-detached")
def policy_and_reference_share_a_graph(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    margin = (policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)
    if not ref_chosen.requires_grad and policy_chosen.requires_grad:
        margin = margin + (margin - margin.detach())
    return -logsigmoid(beta * margin)


@wrong(SPEC, "reference-detached")
def needs_a_graph_on_the_reference(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    margin = (policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)
    if policy_chosen.requires_grad:
        torch.autograd.grad(margin.sum(), ref_chosen, retain_graph=True)
    return -logsigmoid(beta * margin)


@wrong(SPEC, "gradient")
def no_gradient_at_the_reference(pairs, beta=0.1):
    z = beta * pairs.margin
    return torch.relu(-z) + torch.log1p(torch.exp(-torch.abs(z)))
