r"""The sign of a step is foretold: the chosen answer falls if its push is below the mean push, whatever the step's length.

A step moves the logits by u (features times the move), and with it the mass of any set G of answers,

    log pi'(G) - log pi(G) = log E_{pi|G} exp(u) - log E_pi exp(u),    so that it lies between
    E_G u - E u - osc(u)^2 / 8    and    E_G u - E u + osc_G(u)^2 / 8.

For one chosen answer the upper end is the first-order change <grad log pi_w, move>: where it is negative the answer falls. The
lower end, if positive, says that it rises; what is left open between shrinks with the square of the step. One comparison in a
table: the chosen answer rises and the rejected falls at every step, and unseen answers keep their proportions. With several
comparisons, or shared features, the chosen answer can fall while the loss does: logits t (1, 0, 3), the first over the second,
move it at -1/3 of the pull at t = 0.

Why: Jensen and Hoeffding on the two logarithms; claims D09 (the gradient), E14 (displacement with two comparisons).
"""

from __future__ import annotations

import numpy as np

from bandits.data import PairLogProbs
from bandits.experiments.displacement import PAIRS
from bandits.experiments.engine.records import Records
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.losses import DPO
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import losses

ROUNDING = 1e-12


def judge(records: Records):
    """Every step within its bounds, every foretold sign, and the cases where the sign is known for all steps."""
    steps = records.where(kind="step")
    for kind in ("step", "example"):
        found = records.where(kind=kind)
        if len(found):
            least, most, rise = (np.array([row[name] for row in found]) for name in ("least", "most", "rise"))
            yield Measured(f"the rise is at least what was said ({kind})", least, rise, 1.0, ROUNDING, "<=")
            yield Measured(f"the rise is at most what was said ({kind})", rise, most, 1.0, ROUNDING, "<=")
    mine = steps.where(loss="dpo")
    least, most = _bounds(records, mine)
    for name, expected in (("least", least), ("most", most)):
        yield Measured(f"`{name}` by the formula of the gradient", [row[name] for row in mine], expected, 1.0, 1e-11)
    for told, sign in (("falls", 1), ("rises", -1)):
        rise = np.array([row["rise"][0] for row in steps.where(told=told)])
        yield Measured(f"an answer that is told it {told} does so", sign * rise, 0.0, relation="<")
    yield Measured("some are told that they fall", 0, len(steps.where(told="falls")), relation="<")
    masses = sum(steps.column(name) for name in ("chosen", "rejected", "unseen"))
    yield Measured("the ledger is balanced", masses, 1.0, tolerance=1e-12)
    alone = steps.where(case="one pair", loss="dpo")
    if len(alone):
        rise = np.array([row["rise"] for row in alone])
        yield Measured("one comparison: the chosen answer rises at every step", -rise[:, 1], 0.0, relation="<")
        yield Measured("one comparison: the rejected falls at every step", rise[:, 2], 0.0, relation="<")
        problems = _problems(records)
        logs = np.array([np.subtract(row["log_policy"], problems[row["case"], row["seed"]]["log_ref"]) for row in alone])[:, 2:]
        yield Measured("one comparison: unseen answers keep their proportions", np.ptp(logs, axis=1), 0.0, tolerance=1e-11)
    example = records.where(kind="example", loss="dpo")
    if len(example):
        beta, step = (records.header["settings"][name] for name in ("beta", "step"))
        yield Measured("logits t (1, 0, 3): first-order change at t = 0", example.rows[0]["most"][0], -beta * step / 2 / 3, tolerance=1e-14)
        yield Measured("its loss falls at every step", np.diff(example.column("value")), 0.0, relation="<")
        yield Measured("its chosen answer falls at every step", [row["rise"][0] for row in example], 0.0, relation="<")


def wrong(records: Records):
    """The likelihood of the chosen answer always rises; the change is first-order; the unseen mass never rises."""
    steps = records.where(kind="step", loss="dpo")
    rise, most = (np.array([row[name][0] for row in steps]) for name in ("rise", "most"))
    yield Measured("DPO raises the chosen answer at every step", -rise, 0.0, relation="<")
    yield Measured("the first-order change is the change", rise, most, 1.0, 1e-6)
    yield Measured("unseen answers gain nothing", [row["rise"][3] for row in steps], 0.0, relation="<=")


def _problems(records: Records):
    return {(told["case"], told["seed"]): told for told in records.where(kind="problem")}


def _bounds(records: Records, steps: Records):
    """Bounds of every step of DPO, from the display after eq. 7."""
    settings, problems = records.header["settings"], _problems(records)
    loss, length = DPO(settings["beta"]), settings["step"]
    least, most = [], []
    for row in steps:
        told = problems[row["case"], row["seed"]]
        features, log_ref, log_policy = (np.array(values) for values in (told["features"], told["log_ref"], row["log_policy"]))
        pairs, move = PAIRS[row["case"]], np.zeros(features.shape[1])
        for chosen, rejected, weight in pairs:
            pair = PairLogProbs(log_policy[chosen], log_policy[rejected], log_ref[chosen], log_ref[rejected])
            move += length * weight * loss.beta * loss.weight(pair) * (features[chosen] - features[rejected])
        push, policy = features @ move, np.exp(log_policy)
        seen = [{pair[0] for pair in pairs}, {pair[1] for pair in pairs}]
        unseen = set(range(len(policy))) - seen[0] - seen[1]
        lower, upper = [], []
        for group in ([0], sorted(seen[0]), sorted(seen[1]), sorted(unseen)):
            ahead = float(policy[group] @ push[group] / policy[group].sum() - policy @ push)
            lower.append(ahead - float(push.max() - push.min()) ** 2 / 8)
            upper.append(ahead + float(push[group].max() - push[group].min()) ** 2 / 8)
        least.append(lower)
        most.append(upper)
    return np.array(least), np.array(most)


PREDICTION = Prediction(
    study="displacement",
    statement=__doc__,
    source=Source("Razin et al. 2024, arXiv:2410.08847", "likelihood displacement; the bounds are derived here"),
    claims=("D09", "E14"),
    judge=judge,
    wrong=wrong,
    losses=lambda: losses(("dpo", "nca")),
)
