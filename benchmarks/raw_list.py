"""Bradley-Terry from a raw list of comparisons, aggregation included."""

from __future__ import annotations

import choix
import numpy as np

from bandits import Comparisons, minimise_loss
from benchmarks.contest import Contest, Peer, take_turns
from benchmarks.likelihoods import pair_error
from benchmarks.problems import centred, pairs, uniform
from dpo_theory import DPO


def run(quick: bool) -> Contest:
    items, number = (200, 40_000) if quick else (1000, 10**6)
    data, bandit, loss = pairs(items, number, seed=11), uniform(1, items), DPO(beta=1.0)
    raw = list(zip(data.chosen.tolist(), data.rejected.tolist(), strict=True))

    def from_list():
        chosen, rejected = np.array(raw).T
        return minimise_loss(bandit, loss, Comparisons(data.context, chosen, rejected))

    sides = {
        "ours": lambda: minimise_loss(bandit, loss, data),
        "ours, from the list": from_list,
        "choix.ilsr_pairwise": lambda: choix.ilsr_pairwise(items, raw),
    }
    seconds, found = take_turns(sides, {"ours": 7, "ours, from the list": 7, "choix.ilsr_pairwise": 3})
    theirs = pair_error(data, np.asarray(found["choix.ilsr_pairwise"]))
    return Contest(
        name="raw_list",
        title=f"Bradley-Terry, {items:,} items, {number:,} raw pairs, aggregation included",
        seconds=seconds["ours"],
        repeats=7,
        error=pair_error(data, centred(found["ours"].log_policy)[0]),
        certified=found["ours"].certificate.distance_bound,
        peers=(Peer("choix.ilsr_pairwise", seconds["choix.ilsr_pairwise"], 3, theirs),),
        kind="faster",
        floor=60,
        goal=100,
        notes={"seconds from a Python list of tuples, conversion included": seconds["ours, from the list"]},
    )
