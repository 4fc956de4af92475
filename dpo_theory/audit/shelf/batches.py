"""DPO that couples, orders, reshapes, remembers or breaks what it is given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from dpo_theory._xp import softplus
from dpo_theory.audit.record import Sabotage, wrong
from dpo_theory.losses.aot import AOT
from dpo_theory.losses.dpo import DPO

SPEC = DPO(beta=0.1)


@wrong(SPEC, "per-example")
def batch_mean_subtracted(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-(z - z.mean()))


@wrong(SPEC, "per-example")
def divided_by_the_batch_deviation(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z / (1 + z.std(unbiased=False)))


@wrong(SPEC, "per-example")
def answers_of_other_pairs_as_rejected(pairs, beta=0.1):
    return softplus(-beta * (pairs.chosen_log_ratio - pairs.rejected_log_ratio.logsumexp(0)))


@wrong(SPEC, "per-example")
def every_pair_against_every_other(pairs, beta=0.1):
    table = pairs.chosen_log_ratio[:, None] - pairs.rejected_log_ratio[None, :]
    return softplus(-beta * table).mean(-1)


sorted_in_silence = Sabotage("sorted in silence", lambda pairs: AOT(beta=0.1)(pairs), SPEC, "per-example")


@wrong(SPEC, "per-example")
def hardest_pair_only(pairs, beta=0.1):
    return softplus(-beta * pairs.margin).max()


@wrong(SPEC, "log2-at-reference")
def half_of_the_sum(pairs, beta=0.1):
    return softplus(-beta * pairs.margin).sum() / 2


@wrong(SPEC, "per-example")
def mean_divided_again(pairs, beta=0.1):
    return softplus(-beta * pairs.margin).mean() / len(pairs.margin)


@wrong(SPEC, "batch-order")
def weighted_by_place(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) * torch.linspace(1.0, 1.5, len(pairs.margin), dtype=pairs.margin.dtype)


@wrong(SPEC, "batch-order")
def last_pair_dropped(pairs, beta=0.1):
    loss = softplus(-beta * pairs.margin)
    return torch.cat([loss[:-1], 0 * loss[-1:]]) if len(loss) > 1 else loss


@wrong(SPEC, "batch-order")
def first_pair_stands_for_all(pairs, beta=0.1):
    return softplus(-beta * pairs.margin)[0]


@wrong(SPEC, "batch-order")
def neighbour_as_reference(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected).roll(1)))


@wrong(SPEC, "returns-losses")
def axis_kept(pairs, beta=0.1):
    return softplus(-beta * pairs.margin)[:, None]


@wrong(SPEC, "returns-losses")
def table_of_all_pairs(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected)[:, None] - (ref_chosen - ref_rejected)))


@wrong(SPEC, "broadcast-safe")
def one_side_flattened(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected).reshape(-1)))


@wrong(SPEC, "broadcast-safe")
def mean_of_a_table(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return (
        softplus(-beta * ((policy_chosen - policy_rejected).squeeze(-1) - (ref_chosen - ref_rejected))).mean()
        if (policy_chosen.ndim > 1)
        else softplus(-beta * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected))).mean()
    )


@wrong(SPEC, "returns-losses")
def integers(pairs, beta=0.1):
    return softplus(-beta * pairs.margin).round().long()


@wrong(SPEC, "returns-losses")
def python_number(pairs, beta=0.1):
    return float(softplus(-beta * pairs.margin).mean().detach())


@wrong(SPEC, "returns-losses")
def nothing(pairs, beta=0.1):
    softplus(-beta * pairs.margin)


@wrong(SPEC, "returns-losses")
def exception(pairs, beta=0.1):
    raise RuntimeError("the device is busy")


@wrong(SPEC, "returns-losses")
def both_directions(pairs, beta=0.1):
    return torch.stack([softplus(-beta * pairs.margin), softplus(beta * pairs.margin)])


@wrong(SPEC, "inputs-untouched")
def reference_subtracted_in_place(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    policy_chosen -= ref_chosen
    policy_rejected -= ref_rejected
    return np.logaddexp(0.0, -beta * (policy_chosen - policy_rejected))


@wrong(SPEC, "inputs-untouched")
def reference_scaled_in_place(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    loss = -logsigmoid(beta * ((policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)))
    with torch.no_grad():
        ref_chosen.mul_(beta)
    return loss


@wrong(SPEC, "stateless")
def noise_added(pairs, beta=0.1):
    return softplus(-beta * pairs.margin + 1e-6 * torch.randn_like(pairs.margin))


@wrong(SPEC, "stateless")
def dropout_left_on(pairs, beta=0.1):
    return softplus(-torch.nn.functional.dropout(beta * pairs.margin, 0.1))


@wrong(SPEC, "stateless")
def prints(pairs, beta=0.1):
    print("rewards", pairs.margin.mean())
    return softplus(-beta * pairs.margin)


class _Remembers:
    """A loss with a running mean of its margins."""

    def __init__(self) -> None:
        self.mean = 0.0

    def __call__(self, pairs: Any) -> Any:
        loss = softplus(-0.1 * (pairs.margin - self.mean))
        self.mean = 0.9 * self.mean + 0.1 * float(pairs.margin.detach().mean())
        return loss


class _WarmsUp:
    """A loss whose beta grows with every call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pairs: Any) -> Any:
        self.calls += 1
        return softplus(-0.1 * (1 + 1e-4 * self.calls) * pairs.margin)


class _KeepsTheLast:
    """A loss that answers a batch of a size seen before with what it said then."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}

    def __call__(self, pairs: Any) -> Any:
        return self.known.setdefault(len(pairs.margin), softplus(-0.1 * pairs.margin))


@dataclass(frozen=True)
class _Options:
    """Options that are accepted and ignored."""

    beta: float = 0.1
    label_smoothing: float = 0.0

    def __call__(self, pairs: Any) -> Any:
        return softplus(-self.beta * pairs.margin)


running_mean = Sabotage("running mean", _Remembers(), SPEC, "stateless")
warm_up = Sabotage("warm-up", _WarmsUp(), SPEC, "stateless")
cache_by_size = Sabotage("cache by size", _KeepsTheLast(), SPEC, "per-example")
option_ignored = Sabotage("option ignored", _Options(), SPEC, "parameters-matter")


@wrong(SPEC, "parameters-matter")
def reference_free_ignored(pairs, beta=0.1, reference_free=False):
    return softplus(-beta * pairs.margin)
