r"""No method stands above the reward-KL frontier; DPO and RLHF stand on it.

The optimum at beta is pi_ref exp(r / beta) / Z, its value beta log Z; the frontier has slope beta there. Told the exact population,
DPO, two-stage RLHF and RLHF with the true reward are that optimum. Best-of-N, preferred fine-tuning and unlikelihood stand strictly
below the frontier when there are three levels of reward or more. Told n comparisons every method stands below it.

Why: claims D29 (frontier, weak duality), D07b (DPO is RLHF), D35 (best-of-N), D32 (preferred fine-tuning).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import methods

ON_IT = ("rlhf", "two-stage rlhf", "dpo")
SHOWN = (
    "rlhf",
    "two-stage rlhf",
    "dpo",
    "online dpo",
    "ipo",
    "ppo, true reward",
    "ppo, learned reward",
    "best of 4",
    "preferred-ft",
    "unlikelihood",
    "sft",
)
BELOW = ("best of 4", "preferred-ft", "unlikelihood")


def judge(records: Records):
    """Values by formula, the slope, who stands on the frontier, who below, and nobody above."""
    value, expected = _values(records)
    yield Measured("V*(beta) by search is beta log Z", value, expected, 1 + np.abs(expected), tolerance=1e-9)
    slopes, least, most = _chords(records)
    yield Measured("chords of the frontier are steeper than the smaller beta", least, slopes, most, 1e-6, relation="<=")
    yield Measured("chords of the frontier are flatter than the larger beta", slopes, most, most, 1e-6, relation="<=")
    policies = records.where(kind="policy")
    for name in ON_IT:
        mine = policies.where(n=0, method=name)
        if len(mine):
            yield Measured(f"{name}, told the population, stands on the frontier", mine.column("shortfall"), 0.0, tolerance=1e-9)
            yield Measured(f"and where its slope is beta ({name})", mine.column("slope"), mine.column("beta"), mine.column("beta"), 1e-3)
    for name in BELOW:
        mine = policies.where(n=0, method=name)
        if len(mine):
            yield Measured(f"{name} stands strictly below it", 0.0, _known(mine.column("shortfall")), relation="<")
    yield Measured("no method stands above it", -_known(policies.column("shortfall")), 0.0, tolerance=1e-9, relation="<=")


def wrong(records: Records):
    """A slope of 2 beta; best-of-4 on the frontier; DPO told n comparisons on the frontier."""
    slopes, least, _ = _chords(records)
    yield Measured("the frontier's slope is at least 2 beta", 2 * least, slopes, least, 1e-6, relation="<=")
    policies = records.where(kind="policy")
    yield Measured("best of 4 on the frontier", policies.where(n=0, method="best of 4").column("shortfall"), 0.0, tolerance=1e-9)


def _known(numbers):
    return numbers[~np.isnan(numbers)]


def _values(records: Records):
    """V* of every curve record, and beta log Z of its problem."""
    problems = {row["seed"]: row for row in records.where(kind="problem")}
    curve = records.where(kind="frontier")
    expected = []
    for row in curve:
        told = problems[row["seed"]]
        log_z = optimal.log_partition(np.array(told["reward"]), np.array(told["log_ref"]), row["beta"])
        expected.append(row["beta"] * float(np.array(told["context_probs"]) @ log_z))
    return curve.column("value"), np.array(expected)


def _chords(records: Records):
    """Slopes of the chords of every problem's curve, and the betas at their ends."""
    slopes, least, most = [], [], []
    for seed in records.values("seed"):
        curve = records.where(kind="frontier", seed=seed)
        order = np.argsort(curve.column("beta"))
        beta, kl, reward = (curve.column(name)[order] for name in ("beta", "kl", "reward"))
        kept = np.flatnonzero(-np.diff(kl) > 1e-7)
        slopes.append(np.diff(reward)[kept] / np.diff(kl)[kept])
        least.append(beta[kept])
        most.append(beta[kept + 1])
    return np.concatenate(slopes), np.concatenate(least), np.concatenate(most)


PREDICTION = Prediction(
    study="frontier",
    statement=__doc__,
    source=Source(PAPER, "section 6.1, Fig. 2 left"),
    claims=("D29", "D07b", "D35", "D32"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(SHOWN),
)
