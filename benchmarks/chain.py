"""A chain of items with soft preferences between neighbours: the hardest graph for iterations, exact edge by edge."""

from __future__ import annotations

import numpy as np

from bandits import Comparisons, minimise_loss
from benchmarks.contest import Contest, take_turns
from benchmarks.problems import uniform
from dpo_theory import DPO


def run(quick: bool) -> Contest:
    items = 2000 if quick else 10**5
    margin = np.random.default_rng(16).normal(size=items - 1)
    first = np.arange(items - 1)
    data = Comparisons(np.zeros(items - 1, dtype=np.int64), first, first + 1, None, 1 / (1 + np.exp(-margin)))
    bandit, loss = uniform(1, items), DPO(beta=1.0)
    seconds, found = take_turns({"ours": lambda: minimise_loss(bandit, loss, data)}, {"ours": 7})
    strength = found["ours"].log_policy[0]
    exact = -np.concatenate([[0.0], np.cumsum(margin)])
    return Contest(
        name="chain",
        title=f"a chain of {items:,} items with soft preferences",
        seconds=seconds["ours"],
        repeats=7,
        error=float(np.ptp(strength - exact)),
        certified=found["ours"].certificate.distance_bound,
        peers=(),
        kind="limit",
        floor=1,
        goal=None,
        notes={"certified below 1e-6": found["ours"].certificate.distance_bound < 1e-6},
    )
