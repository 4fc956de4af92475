"""A loss known only as a torch function against the package's own DPO, in the same solver."""

from __future__ import annotations

import torch

from bandits import minimise_loss
from benchmarks.contest import Contest, Peer, take_turns
from benchmarks.likelihoods import pair_error
from benchmarks.problems import centred, pairs, uniform
from dpo_theory import DPO


def unknown(pairs_seen):
    """Per-comparison losses, as a library would write them."""
    chosen = pairs_seen.policy_chosen - pairs_seen.ref_chosen
    rejected = pairs_seen.policy_rejected - pairs_seen.ref_rejected
    return -torch.nn.functional.logsigmoid(chosen - rejected)


def run(quick: bool) -> Contest:
    items, number = (200, 40_000) if quick else (1000, 10**6)
    data, bandit, loss = pairs(items, number, seed=17), uniform(1, items), DPO(beta=1.0)
    sides = {"ours": lambda: minimise_loss(bandit, unknown, data), "DPO": lambda: minimise_loss(bandit, loss, data)}
    seconds, found = take_turns(sides, {"ours": 7, "DPO": 7})
    errors = {name: pair_error(data, centred(found[name].log_policy)[0]) for name in sides}
    return Contest(
        name="any_loss",
        title=f"a torch function as the loss, {items:,} items, {number:,} pairs",
        seconds=seconds["ours"],
        repeats=7,
        error=errors["ours"],
        certified=found["ours"].certificate.distance_bound,
        peers=(Peer("DPO of this package", seconds["DPO"], 7, errors["DPO"]),),
        kind="slower",
        floor=3,
        goal=None,
    )
