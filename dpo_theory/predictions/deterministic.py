r"""When the better answer always wins, DPO has no optimum; what it finds depends on when it is stopped, and on the order alone.

Every margin grows for ever: DPO and robust DPO have no minimiser, IPO's is log pi/pi_ref = (A - 1 - 2 rank) / (2 tau A) up to a
constant, cDPO's solves sum_j (s(z_ij) - q_ij) = 0 with q = 1 - a for the better one. Along the gradient flow from the reference DPO's
loss falls and stays positive, beta times its log-ratios are one function of beta^2 t and of the ranks: neither beta nor the size of
the rewards has another part in it. With two answers u = beta times the margin obeys u + e^u = 1 + 2 beta^2 t, so it grows like log t;
IPO's margin is (1 - e^(-4t)) / (2 tau). Three evenly spaced rewards put the whole DPO path on the reward-KL frontier, by symmetry;
rewards that are spaced unevenly leave it below.

Why: claims D31 (certain labels), D29 (the frontier), D10 (the weight of a pair never reaches 0).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import losses, methods

TOLD = 0.1  # the rate that cDPO on the shelf is told


def judge(records: Records):
    """Who has an optimum and which, the flow, its clock, and where it stands below the frontier."""
    optima, path, ranks = records.where(kind="optimum"), records.where(kind="path"), _ranks(records)
    for name in ("dpo", "robust dpo"):
        lost = [row["status"] == "no_minimiser" and row["log_ratio"] is None for row in optima.where(method=name)]
        yield Measured(f"{name}: no minimiser", np.mean(lost), 1.0)
    ipo = optima.where(method="ipo")
    expected = _flat(_ipo(ranks, row) for row in ipo)
    yield Measured("ipo: (A - 1 - 2 rank) / (2 tau A)", _flat(row["log_ratio"] for row in ipo), expected, tolerance=1e-9)
    cdpo = optima.where(method="cdpo")
    yield Measured("cdpo: its equations", _flat(_cdpo_residual(ranks, row) for row in cdpo), 0.0, tolerance=1e-9)
    dpo, trained_ipo = path.where(method="dpo"), path.where(method="ipo")
    falls, rest = _steps(dpo, "loss")
    yield Measured("dpo: the loss falls along the flow", falls, 0.0, relation="<")
    yield Measured("dpo: and stays positive", 0.0, rest, relation="<")
    yield Measured("dpo: one path for every problem, by rank and beta^2 t", _spread(ranks, dpo), 0.0, tolerance=1e-7)
    along = _flat(
        (1 - np.exp(-4 * row["clock"] / row["beta"] ** 2 / (len(row["log_ratio"]) - 1))) * _ipo(ranks, row) for row in trained_ipo
    )
    yield Measured("ipo: exponentially to its minimiser", _flat(row["log_ratio"] for row in trained_ipo), along, tolerance=1e-7)
    pair = records.where(kind="pair", method="dpo")
    u = pair.column("beta") * pair.column("margin")
    clock = 1 + 2 * pair.column("clock")
    yield Measured("two answers, dpo: u + e^u = 1 + 2 beta^2 t", u + np.exp(u), clock, clock, tolerance=1e-8)
    ipo = records.where(kind="pair", method="ipo")
    beta = ipo.column("beta")
    limit = (1 - np.exp(-4 * ipo.column("clock") / beta**2)) / (2 * beta)
    yield Measured("two answers, ipo: (1 - e^(-4t)) / (2 tau)", ipo.column("margin"), limit, tolerance=1e-8)
    moved = dpo.where(clock=tuple(clock for clock in dpo.values("clock") if clock > 0))
    even, uneven = (moved.where(case=case).column("below") for case in ("even", "random"))
    yield Measured("dpo, rewards evenly spaced: on the frontier all the way", even, 0.0, tolerance=1e-9)
    yield Measured("dpo, other rewards: below it", 1e-9, uneven, relation="<")
    yield Measured("nothing stands above it", -path.column("below"), 0.0, tolerance=1e-9, relation="<=")


def wrong(records: Records):
    """DPO comes to rest; its path follows the rewards; early stopping is the frontier; IPO has no optimum either."""
    dpo = records.where(kind="path", method="dpo")
    pair = records.where(kind="pair", method="dpo")
    last = max(pair.values("clock"))
    u = pair.where(clock=last).column("beta") * pair.where(clock=last).column("margin")
    yield Measured("two answers, dpo: the margin stays below log 9", u, np.log(9.0), relation="<=")
    yield Measured("dpo: the path of early stopping is on the frontier", dpo.where(case="random").column("below"), 0.0, tolerance=1e-4)
    yield Measured("dpo: one path of policies for every beta", _spread(_ranks(records), dpo, power=0), 0.0, tolerance=1e-3)
    statuses = [row["status"] == "no_minimiser" for row in records.where(kind="optimum", method="ipo")]
    yield Measured("ipo: no minimiser", np.mean(statuses), 1.0)


def _flat(rows):
    return np.concatenate([np.ravel(np.array(row, dtype=float)) for row in rows])


def _ranks(records: Records):
    """(A,) how many answers are better than each, by case and seed."""
    found = {}
    for row in records.where(kind="problem"):
        reward = np.array(row["reward"])
        found[row["case"], row["seed"]] = (reward[None, :] > reward[:, None]).sum(axis=1)
    return found


def _ipo(ranks, row):
    mine = ranks[row["case"], row["seed"]]
    return (len(mine) - 1 - 2 * mine) / (2 * row["beta"] * len(mine))


def _cdpo_residual(ranks, row):
    """(A,) sum_j (s(z_ij) - q_ij)."""
    mine, ratio = ranks[row["case"], row["seed"]], row["beta"] * np.array(row["log_ratio"])
    target = np.where(mine[:, None] < mine[None, :], 1 - TOLD, TOLD)
    model = 1 / (1 + np.exp(ratio[None, :] - ratio[:, None]))
    return ((model - target) * (1 - np.eye(len(mine)))).sum(axis=1)


def _steps(path: Records, name: str):
    """Changes of a column from each time to the next, problem by problem, and its last values."""
    found: dict = {}
    for row in path:
        found.setdefault((row["case"], row["seed"], row["beta"]), []).append(row[name])
    return _flat(np.diff(values) for values in found.values()), np.array([values[-1] for values in found.values()])


def _spread(ranks, path: Records, power: int = 1):
    """How far beta^power times the log-ratios, by rank, differ between problems and betas at one beta^2 t."""
    found: dict = {}
    for row in path:
        order = np.argsort(ranks[row["case"], row["seed"]])
        found.setdefault((row["case"], row["clock"]), []).append(row["beta"] ** power * np.array(row["log_ratio"])[order])
    return _flat(np.ptp(np.array(rows), axis=0) for rows in found.values())


PREDICTION = Prediction(
    study="deterministic",
    statement=__doc__,
    source=Source(PAPER, "section 6.1: labels by a classifier; the flow is derived here"),
    claims=("D31", "D29", "D10"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("dpo", "ipo", "cdpo", "robust dpo", "hinge")),
    losses=lambda: losses(("dpo", "ipo")),
)
