"""Plackett-Luce from rankings."""

from __future__ import annotations

import choix
import numpy as np

from bandits import minimise_loss
from benchmarks.contest import Contest, Peer, take_turns
from benchmarks.likelihoods import ranking_error
from benchmarks.problems import centred, rankings, uniform
from dpo_theory.losses import PlackettLuceDPO


def run(quick: bool) -> Contest:
    items, number, length = (100, 2000, 10) if quick else (1000, 10**5, 10)
    data, bandit, loss = rankings(items, number, length, seed=15), uniform(1, items), PlackettLuceDPO(beta=1.0)
    raw = [tuple(row) for row in data.order.tolist()]
    sides = {"ours": lambda: minimise_loss(bandit, loss, data), "choix.ilsr_rankings": lambda: choix.ilsr_rankings(items, raw)}
    repeats = {"ours": 7, "choix.ilsr_rankings": 7 if quick else 3}  # choix takes a dozen seconds a time
    seconds, found = take_turns(sides, repeats)
    assert found["ours"].status == "optimal", found["ours"].certificate.reason
    theirs = ranking_error(data, np.asarray(found["choix.ilsr_rankings"]))
    return Contest(
        name="ranked",
        title=f"Plackett-Luce, {items:,} items, {number:,} rankings of length {length}",
        seconds=seconds["ours"],
        repeats=repeats["ours"],
        error=ranking_error(data, centred(found["ours"].log_policy)[0]),
        certified=found["ours"].certificate.distance_bound,
        peers=(Peer("choix.ilsr_rankings", seconds["choix.ilsr_rankings"], repeats["choix.ilsr_rankings"], theirs),),
        kind="faster",
        floor=80,
        goal=200,
        notes={"steps": found["ours"].steps, "reason": found["ours"].certificate.reason},
    )
