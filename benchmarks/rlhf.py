"""The RLHF optimum by search, from random starts, against the closed form."""

from __future__ import annotations

import numpy as np

from bandits import TabularBandit, maximise_value
from benchmarks.contest import Contest, Peer, take_turns
from dpo_theory import optimal_log_policy


def run(quick: bool) -> Contest:
    contexts, actions, beta = (1000, 64, 0.1) if quick else (10**5, 64, 0.1)
    rng = np.random.default_rng(18)
    reward, raw = rng.normal(size=(2, contexts, actions))
    log_ref = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    bandit = TabularBandit(np.full(contexts, 1 / contexts), reward, log_ref, beta=beta)
    sides = {
        "ours": lambda: maximise_value(bandit, rng=np.random.default_rng(0)),
        "closed form": lambda: optimal_log_policy(reward, log_ref, beta),
    }
    seconds, found = take_turns(sides, {"ours": 3, "closed form": 7})
    return Contest(
        name="rlhf",
        title=f"RLHF optimum by search, {contexts:,} contexts of {actions} actions, beta = {beta}, random starts",
        seconds=seconds["ours"],
        repeats=3,
        error=float(np.abs(found["ours"].log_policy - found["closed form"]).max()),
        certified=found["ours"].certificate.distance_bound,
        peers=(Peer("closed form", seconds["closed form"], 7, 0.0),),
        kind="slower",
        floor=100,
        goal=30,
    )
