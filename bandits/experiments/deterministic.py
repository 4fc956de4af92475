"""Certain labels: the better answer always wins, as when a classifier labels. Who has an optimum, and what early stopping finds instead.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 6.1, labels the IMDb pairs so; Azar et al. 2023, arXiv:2310.12036, on overfitting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import loss_values
from bandits.door import Array
from bandits.experiments.engine.measures import best_values, reward_and_kl, shortfalls
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.population import population
from bandits.experiments.engine.problems import join_problems
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import answers
from bandits.experiments.methods.descent import flow
from bandits.problem import TabularBandit
from bandits.sample import design_matrix

__all__ = ["STUDY", "check", "draw", "measure"]


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`optimum`: each method's answer on certain labels. `path`: each loss's gradient flow from the reference, at times `clock` / beta^2,
    where it stands and how far below the reward-KL frontier. `frontier`: that frontier. `case` is `random`, or `even`: three answers
    whose rewards are 1, 0 and -1. `pair`: two answers."""
    for beta in task["betas"]:
        shape = {"contexts": 1, "actions": task["actions"], "spread": task["spread"], "skew": 0.5}
        problems = [task.problem(seed, beta=beta, **shape) for seed in task.seeds]
        yield from _case(task, "random", list(task.seeds), problems)
        if 0 in task.seeds:
            even = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta)
            yield from _case(task, "even", [0], [even])
            yield from _pair(task, beta)


def _certain(problems: list[TabularBandit]) -> Array:
    """(P, A, A) 1 where i has more reward than j, 1/2 where they are equal."""
    reward = np.concatenate([problem.reward for problem in problems])
    return (np.sign(reward[:, :, None] - reward[:, None, :]) + 1) / 2


def _case(task: Task, case: str, seeds: list[int], problems: list[TabularBandit]) -> Iterator[dict[str, Any]]:
    beta, joint, beats = problems[0].beta, join_problems(problems), _certain(problems)
    rows = [{"case": case, "seed": seed, "beta": beta} for seed in seeds]
    if beta == task["betas"][0]:
        for row, problem in zip(rows, problems, strict=True):
            yield {"kind": "problem", "case": case, "seed": row["seed"], "reward": problem.reward[0], "log_ref": problem.log_ref[0]}
        for price in task["curve"]:
            best = best_values(problems, np.full(len(problems), price))
            for row, value, kl in zip(rows, best.value, best.kl, strict=True):
                yield {"kind": "frontier", "case": case, "seed": row["seed"], "beta": price, "kl": kl, "reward": value + price * kl}
    design = design_matrix(joint)
    for name, method in task.methods.items():
        for row, problem, answer in zip(rows, problems, answers(method, problems, population(design, beats)), strict=True):
            told = dict.fromkeys(("log_ratio", "reward", "kl"))
            if answer.log_policy is not None:
                told = _place(problem, answer.log_policy[0])
            yield {"kind": "optimum", **row, "method": name, "status": answer.status, **told}
    for name, make in task.losses.items():
        yield from _path(task, name, make(beta), rows, problems, design * beats)


def _path(
    task: Task, name: str, loss: Any, rows: list[dict[str, Any]], problems: list[TabularBandit], wins: Array
) -> Iterator[dict[str, Any]]:
    beta = problems[0].beta
    wins = wins / wins.sum(axis=(1, 2), keepdims=True)
    ratios = flow(loss, wins, np.array(task["clock"]) / beta**2)
    raw = np.concatenate([problem.log_ref for problem in problems]) + ratios
    policies = raw - np.logaddexp.reduce(raw, axis=2, keepdims=True)
    below = shortfalls(problems * len(ratios), [policy[None] for policy in policies.reshape(-1, policies.shape[2])])
    for k, clock in enumerate(task["clock"]):
        height = _heights(loss, wins, ratios[k])
        for i, (row, problem) in enumerate(zip(rows, problems, strict=True)):
            told = {"clock": clock, "loss": height[i], "below": below[k * len(problems) + i].distance}
            yield {"kind": "path", **row, "method": name, **told, **_place(problem, policies[k, i])}


def _heights(loss: Any, wins: Array, log_ratio: Array) -> Array:
    """(P,) the mean loss of each problem."""
    problem, chosen, rejected = np.nonzero(wins)
    zero = np.zeros(len(problem))
    seen = PairLogProbs(log_ratio[problem, chosen], log_ratio[problem, rejected], zero, zero)
    return np.bincount(problem, wins[problem, chosen, rejected] * loss_values(loss, seen))


def _place(problem: TabularBandit, log_policy: Array) -> dict[str, Any]:
    reward, kl = reward_and_kl(problem, log_policy[None])
    ratio = log_policy - problem.log_ref[0]
    return {"log_ratio": ratio - ratio.mean(), "reward": reward, "kl": kl}


def _pair(task: Task, beta: float) -> Iterator[dict[str, Any]]:
    """Two answers of which the first always wins."""
    for name, make in task.losses.items():
        ratios = flow(make(beta), np.array([[[0.0, 1.0], [0.0, 0.0]]]), np.array(task["clock"]) / beta**2)
        for clock, (first, second) in zip(task["clock"], ratios[:, 0].tolist(), strict=True):
            yield {"kind": "pair", "beta": beta, "method": name, "clock": clock, "margin": first - second}


def check(plan: Plan) -> None:
    """Refuse a clock that does not rise from 0, prices that are not positive, too few actions, and more than one context."""
    clock = plan.settings["clock"]
    if len(clock) < 2 or clock[0] != 0 or not (np.diff(clock) > 0).all():
        raise ValueError(f"clock is {clock!r}, expected two or more times that rise from 0.")
    if not min(plan.settings["curve"]) > 0:
        raise ValueError(f"curve is {plan.settings['curve']!r}, expected betas > 0: where the frontier is drawn.")
    actions, contexts = plan.settings["actions"], 1
    if plan.bandit is not None:
        actions, contexts = plan.bandit.n_actions, plan.bandit.n_contexts
        if len(np.unique(plan.bandit.reward)) < plan.bandit.reward.size:
            raise ValueError("two answers of the problem have one reward: no label between them is certain. Drop one of them.")
    if actions < 3:
        raise ValueError(f"the problem has {actions} actions, expected 3 or more: two rewards are always evenly spaced.")
    if contexts > 1:
        raise ValueError(f"the problem has {contexts} contexts, expected one for deterministic. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: the paths of early stopping in the plane of KL and reward, below the frontier. Right: the widest margin against time."""
    from bandits import plots

    left, right = plots.panels(figure, 2, room=1.0)
    path = records.where(kind="path", case="random")
    beta, names = path.values("beta")[0], path.values("method")
    curve = records.where(kind="frontier", case="random")
    kl, reward = ([group.mean for group in curve.means(name, "beta")] for name in ("kl", "reward"))
    left.plot(kl, reward, color="0.75", linewidth=3.5, zorder=1, solid_capstyle="round")
    lines = []
    for name in names:
        mine = path.where(beta=beta, method=name)
        x, y = ([group.mean for group in mine.means(column, "clock")] for column in ("kl", "reward"))
        lines.append(plots.band(left, x, y, np.zeros(len(x)), **plots.mark(name, names)))
    left.set_xlabel("KL to the reference, nats")
    left.set_ylabel("mean reward")
    left.set_title(f"stopping earlier or later, beta {beta:g} (grey: the frontier)")
    plots.label_ends(left, lines, names)
    right.set_xscale("log")
    lines, labels, looks = [], [], [(name, beta) for name in names for beta in path.values("beta")]
    shown = [f"{name}, beta {beta:g}" for name, beta in looks]
    for label, (name, beta) in zip(shown, looks, strict=True):
        rows = [row for row in path.where(beta=beta, method=name, seed=path.values("seed")[0]) if row["clock"] > 0]
        wide = [beta * (max(row["log_ratio"]) - min(row["log_ratio"])) for row in rows]
        lines.append(plots.band(right, [row["clock"] for row in rows], wide, np.zeros(len(rows)), **plots.mark(label, shown)))
        labels.append(label)
    right.set_xlabel("training time × beta²")
    right.set_ylabel("beta × margin, best over worst answer")
    right.set_title("margins along the gradient flow")
    plots.label_ends(right, lines, labels)


STUDY = Study(
    name="deterministic",
    question="When the better answer always wins, who has an optimum, and what does stopping early find?",
    measures="each method's optimum or its absence, and the gradient flow of each loss against the reward-KL frontier",
    measure=measure,
    draw=draw,
    settings={
        "betas": (0.5, 1.0),
        "clock": (0.0, *(float(time) for time in np.geomspace(0.3, 300.0, 13).round(4))),
        "curve": tuple(float(beta) for beta in np.geomspace(0.05, 30.0, 17).round(5)),
        "actions": 4,
        "spread": 1.0,
    },
    seeds=12,
    block=12,
    check=check,
    summary=(("case", "method", "beta"), ("kl", "reward", "below")),
)
