"""Correct losses in unusual forms: no check may raise an alarm."""

import functools
from typing import Any

import numpy as np
import torch
from scipy.special import log_expit
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, logsigmoid

from bandits.data import PairLogProbs
from dpo_theory.audit.record import Right, right
from dpo_theory.losses.aot import AOT
from dpo_theory.losses.cdpo import CDPO
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.hinge import Hinge
from dpo_theory.losses.ipo import IPO
from dpo_theory.losses.nca import NCA

SPEC = DPO(beta=0.1)


@right(SPEC)
def torch_softplus(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta=0.1):
    return torch.nn.functional.softplus(-beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps))


@right(SPEC)
def torch_logaddexp(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps):
    chosen, rejected = 0.1 * (chosen_logps - ref_chosen_logps), 0.1 * (rejected_logps - ref_rejected_logps)
    return torch.logaddexp(chosen, rejected) - chosen


@right(SPEC)
def two_way_cross_entropy(pairs):
    rewards = 0.1 * torch.stack([pairs.chosen_log_ratio, pairs.rejected_log_ratio], dim=-1)
    return cross_entropy(rewards, torch.zeros(len(rewards), dtype=torch.long), reduction="none")


@right(SPEC)
def binary_cross_entropy(pairs):
    z = 0.1 * pairs.margin
    return binary_cross_entropy_with_logits(z, torch.ones_like(z), reduction="none")


@right(SPEC)
def log_softmax_of_two(pairs):
    return -log_softmax(0.1 * torch.stack([pairs.chosen_log_ratio, pairs.rejected_log_ratio]), dim=0)[0]


@right(SPEC)
def logsumexp_of_two(pairs):
    rewards = 0.1 * torch.stack([pairs.chosen_log_ratio, pairs.rejected_log_ratio], dim=-1)
    return torch.logsumexp(rewards, -1) - rewards[..., 0]


@right(SPEC)
def where_twice(pairs, beta=0.1):
    z = beta * pairs.margin
    positive = z > 0
    high = torch.log1p(torch.exp(-torch.where(positive, z, 0.0)))
    low = torch.log1p(torch.exp(torch.where(positive, 0.0, z))) - z
    return torch.where(positive, high, low)


@right(SPEC)
def numpy_logaddexp(pairs, beta=0.1):
    return np.logaddexp(0.0, -beta * pairs.margin)


@right(SPEC)
def scipy_log_expit(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -log_expit(beta * ((policy_chosen - ref_chosen) - (policy_rejected - ref_rejected)))


@right(SPEC)
def numpy_mean(policy_chosen, policy_rejected, ref_chosen, ref_rejected):
    return np.mean(np.logaddexp(0.0, -0.1 * ((policy_chosen - ref_chosen) - (policy_rejected - ref_rejected))))


@right(SPEC)
def half_the_margin_and_log_cosh(pairs, beta=0.1):
    half = beta * pairs.margin / 2
    return torch.logaddexp(half, -half) - half


@right(SPEC)
def in_float32(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen.float() - policy_rejected.float()) - (ref_chosen.float() - ref_rejected.float())))


@right(SPEC)
def in_float64(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen.double() - policy_rejected.double()) - (ref_chosen.double() - ref_rejected.double())))


@right(SPEC)
def mean(pairs, beta=0.1):
    return -logsigmoid(beta * pairs.margin).mean()


@right(SPEC)
def total(policy_chosen, policy_rejected, ref_chosen, ref_rejected):
    return -logsigmoid(0.1 * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected))).sum()


@right(SPEC)
def with_rewards(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta=0.1):
    chosen, rejected = beta * (policy_chosen_logps - reference_chosen_logps), beta * (policy_rejected_logps - reference_rejected_logps)
    return -logsigmoid(chosen - rejected), chosen.detach(), rejected.detach()


@right(SPEC)
def mean_with_rewards(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps):
    chosen, rejected = policy_chosen_logps - reference_chosen_logps, policy_rejected_logps - reference_rejected_logps
    return -logsigmoid(0.1 * (chosen - rejected)).mean(), {"accuracy": (chosen > rejected).double().mean()}


@right(SPEC)
def with_all_options(
    policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps,
    beta=0.1, label_smoothing=0.0, squared=False, reference_free=False,
):  # fmt: skip
    reference = reference_chosen_logps - reference_rejected_logps
    margin = policy_chosen_logps - policy_rejected_logps - (0 if reference_free else reference)
    if squared:
        return (margin - 1 / (2 * beta)) ** 2
    return -logsigmoid(beta * margin) * (1 - label_smoothing) - logsigmoid(-beta * margin) * label_smoothing


@right(SPEC)
def options_of_the_form(pairs, beta=0.1, average=False, return_rewards=False):
    loss = -logsigmoid(beta * pairs.margin)
    loss = loss.mean() if average else loss
    return (loss, beta * pairs.margin.detach()) if return_rewards else loss


@right(SPEC)
def arguments_permuted(ref_rejected, policy_rejected, ref_chosen, policy_chosen):
    return -logsigmoid(0.1 * ((policy_chosen - ref_chosen) - (policy_rejected - ref_rejected)))


@right(SPEC)
def by_keyword(*, ref_chosen, ref_rejected, policy_chosen, policy_rejected):
    return -logsigmoid(0.1 * ((policy_chosen - ref_chosen) - (policy_rejected - ref_rejected)))


@right(SPEC)
def reference_detached(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return -logsigmoid(beta * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected).detach()))


@right(SPEC)
def one_pair_at_a_time(pairs):
    return torch.stack([-logsigmoid(0.1 * margin) for margin in pairs.margin])


@right(SPEC)
def by_vmap(pairs):
    return torch.vmap(lambda margin: -logsigmoid(0.1 * margin))(pairs.margin)


@right(SPEC)
def gradient_as_weighted_likelihood(pairs, beta=0.1):
    loss = -logsigmoid(beta * pairs.margin)
    pull = -beta * torch.sigmoid(-beta * pairs.margin).detach() * pairs.margin
    return loss.detach() + pull - pull.detach()


class _ByHand(torch.autograd.Function):
    @staticmethod
    def forward(context, z):
        context.save_for_backward(z)
        return -logsigmoid(z)

    @staticmethod
    def backward(context, above):
        (z,) = context.saved_tensors
        return -above * torch.sigmoid(-z)


@right(SPEC)
def backward_by_hand(pairs, beta=0.1):
    return _ByHand.apply(beta * pairs.margin)


class _Module(torch.nn.Module):
    """A loss as a module with a temperature in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("beta", torch.tensor(0.1, dtype=torch.float64))

    def forward(self, policy_chosen: Any, policy_rejected: Any, ref_chosen: Any, ref_rejected: Any) -> Any:
        return -logsigmoid(self.get_buffer("beta").item() * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)))


class _SinglePrecision(torch.nn.Module):
    """A loss whose beta is a float32 buffer, as modules keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("beta", torch.tensor(0.1))

    def forward(self, policy_chosen: Any, policy_rejected: Any, ref_chosen: Any, ref_rejected: Any) -> Any:
        return -logsigmoid(self.get_buffer("beta") * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)))


class _Counts:
    """A loss that keeps a statistic and does not use it."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, pairs: PairLogProbs) -> Any:
        self.seen += 1
        return -logsigmoid(0.1 * pairs.margin)


def _any_beta(beta: float, pairs: PairLogProbs) -> Any:
    return -logsigmoid(beta * pairs.margin)


module = Right("module", _Module(), SPEC)
beta_in_float32 = Right("beta in float32", _SinglePrecision(), SPEC)
counts_its_calls = Right("counts its calls", _Counts(), SPEC)
partial = Right("partial", functools.partial(_any_beta, 0.1), SPEC)
anonymous = Right("anonymous", lambda a, b, c, d: -logsigmoid(0.1 * (a - b - c + d)), SPEC)
steep = Right("steep", functools.partial(_any_beta, 3.0), DPO(beta=3.0))
flat = Right("flat", functools.partial(_any_beta, 0.01), DPO(beta=0.01))


@right(CDPO(beta=0.1, epsilon=0.1))
def cross_entropy_of_soft_labels(pairs):
    z = 0.1 * pairs.margin
    return binary_cross_entropy_with_logits(z, torch.full_like(z, 0.9), reduction="none")


@right(CDPO(beta=0.1, epsilon=0.2))
def logistic_and_a_line(pairs):
    z = 0.1 * pairs.margin
    return -logsigmoid(z) + 0.2 * z


@right(IPO(tau=0.1))
def square_multiplied_out(pairs):
    return pairs.margin * pairs.margin - 10 * pairs.margin + 25


@right(IPO(tau=0.1))
def square_in_numpy(policy_chosen, policy_rejected, ref_chosen, ref_rejected, tau=0.1):
    return np.square(policy_chosen - policy_rejected - (ref_chosen - ref_rejected) - 0.5 / tau)


@right(Hinge(beta=1.0))
def hinge_by_clamp(pairs):
    return (1 - pairs.margin).clamp(min=0)


@right(Hinge(beta=0.1))
def hinge_by_absolute_value(pairs):
    slack = 1 - 0.1 * pairs.margin
    return (slack + torch.abs(slack)) / 2


@right(NCA(beta=0.1))
def contrast_by_logsigmoid(pairs):
    chosen, rejected = 0.1 * pairs.chosen_log_ratio, 0.1 * pairs.rejected_log_ratio
    return -logsigmoid(chosen) - 0.5 * logsigmoid(-chosen) - 0.5 * logsigmoid(-rejected)


@right(AOT(beta=0.1))
def sorted_in_descending_order(pairs):
    policy = (pairs.policy_chosen - pairs.policy_rejected).sort(dim=0, descending=True).values
    reference = (pairs.ref_chosen - pairs.ref_rejected).sort(dim=0, descending=True).values
    return -logsigmoid(0.1 * (policy - reference))


RIGHT: tuple[Right, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Right))
