"""Reward against KL: the exact frontier, and where every method stands below it.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 6.1 and Fig. 2 left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.experiments.engine.measures import best_values, reward_and_kl, shortfalls
from bandits.experiments.engine.plan import Study, Task
from bandits.experiments.engine.problems import draw_counts
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import Answer, answers
from bandits.problem import TabularBandit

__all__ = ["STUDY", "draw", "measure"]


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn. `frontier`: the optimum at each of `curve`. `policy`: each method at each of `betas`, told n
    comparisons, or the exact population where n is 0."""
    shape = {name: task[name] for name in ("contexts", "actions", "spread")}
    if task["n"] == task.plan.axes["n"][0]:
        yield from _frontier(task, [task.problem(seed, beta=1.0, **shape) for seed in task.seeds])
    asked: list[tuple[dict[str, Any], TabularBandit, Answer]] = []
    for beta in task["betas"]:
        problems = [task.problem(seed, beta=beta, **shape) for seed in task.seeds]
        data = [_told(task, seed, problem) for seed, problem in zip(task.seeds, problems, strict=True)]
        for name, method in task.methods.items():
            rngs = [task.stream(seed, name) for seed in task.seeds]
            for seed, problem, answer in zip(task.seeds, problems, answers(method, problems, data, rngs), strict=True):
                row = {"kind": "policy", "seed": seed, "n": task["n"], "beta": beta, "method": name, "status": answer.status}
                asked.append((row, problem, answer))
    yield from _placed(asked)


def _told(task: Task, seed: int, problem: TabularBandit) -> Comparisons | None:
    return draw_counts(problem, task["n"], task.stream(seed, "data"), draw="reference") if task["n"] > 0 else None


def _frontier(task: Task, problems: list[TabularBandit]) -> Iterator[dict[str, Any]]:
    for seed, problem in zip(task.seeds, problems, strict=True):
        told = {"context_probs": problem.context_probs, "reward": problem.reward, "log_ref": problem.log_ref}
        yield {"kind": "problem", "seed": seed, **told}
    for beta in task["curve"]:
        best = best_values(problems, np.full(len(problems), beta))
        for seed, value, kl, slack in zip(task.seeds, best.value, best.kl, best.slack, strict=True):
            yield {"kind": "frontier", "seed": seed, "beta": beta, "kl": kl, "reward": value + beta * kl, "value": value, "slack": slack}


def _placed(asked: list[tuple[dict[str, Any], TabularBandit, Answer]]) -> Iterator[dict[str, Any]]:
    have = [i for i, (_, _, answer) in enumerate(asked) if answer.log_policy is not None]
    placed = shortfalls([asked[i][1] for i in have], [asked[i][2].log_policy for i in have])  # type: ignore[misc]
    below = dict(zip(have, placed, strict=True))
    for i, (row, problem, answer) in enumerate(asked):
        numbers: dict[str, float | None] = dict.fromkeys(("kl", "reward", "value", "shortfall", "slope", "slack"))
        if answer.log_policy is not None:
            reward, kl = reward_and_kl(problem, answer.log_policy)
            distance, slope, slack = below[i]
            value = reward - problem.beta * kl
            numbers = {"kl": kl, "reward": reward, "value": value, "shortfall": distance, "slope": slope, "slack": slack}
        yield row | numbers


def draw(records: Records, figure: Any) -> None:
    """Left: mean reward against mean KL and the frontier, over the problems where every method has a policy. Right: how far below."""
    from bandits import plots

    points = records.where(kind="policy")
    names, sizes = points.values("method"), points.values("n")
    left, *others = plots.panels(figure, 1 + sum(n > 0 for n in sizes), room=1.25)
    seeds = _complete(points.where(n=sizes[0]))
    curve = records.where(kind="frontier", seed=seeds)
    kl, reward = ([group.mean for group in curve.means(name, "beta")] for name in ("kl", "reward"))
    left.plot(kl, reward, color="0.75", linewidth=3.5, zorder=1, solid_capstyle="round")
    ends = []
    for name in names:
        mine = points.where(method=name, n=sizes[0], seed=seeds)
        x, y = ([group.mean for group in mine.means(column, "beta")] for column in ("kl", "reward"))
        left.plot(x, y, **plots.mark(name, names) | {"linestyle": "none"})
        ends.append(max(zip(x, y, strict=True)))
    left.set_xlabel("KL to the reference, nats")
    left.set_ylabel("mean reward")
    left.set_title(f"frontier (grey), {_told_of(sizes[0])}, {len(seeds)} problems")
    left.set_xlim(left=0)
    plots.label_points(left, ends, names, [plots.mark(name, names)["color"] for name in names])
    for axes, n in zip(others, [n for n in sizes if n > 0], strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        seeds = _complete(points.where(n=n))
        lines = []
        for name in names:
            below = [group for group in points.where(method=name, n=n, seed=seeds).means("shortfall", "beta") if group.mean > 1e-9]
            at, mean, error = [g.key[0] for g in below], [g.mean for g in below], [g.error for g in below]
            lines.append(plots.band(axes, at, mean, error, **plots.mark(name, names)))
        axes.set_xlabel("beta, reward per nat")
        axes.set_ylabel("reward below the frontier")
        axes.set_title(f"{_told_of(n)}, {len(seeds)} problems")
        plots.label_ends(axes, lines, names)


def _told_of(n: int) -> str:
    return "told the population" if n == 0 else f"told {n} comparisons"


def _complete(points: Records) -> tuple[int, ...]:
    """The seeds where every method has a policy at every beta, or all seeds if there is none such."""
    missing = {row["seed"] for row in points if row["kl"] is None}
    seeds = points.values("seed")
    return tuple(seed for seed in seeds if seed not in missing) or seeds


STUDY = Study(
    name="frontier",
    question="Which methods reach the reward-KL frontier, and how far below it do the others stay?",
    measures="reward, KL and certified distance to the frontier of every method's policy, with the frontier itself",
    measure=measure,
    draw=draw,
    axes={"n": (0, 300)},
    settings={
        "betas": (0.1, 0.3, 1.0, 3.0),
        "curve": tuple(float(beta) for beta in np.geomspace(0.03, 30.0, 31).round(6)),
        "contexts": 1,
        "actions": 5,
        "spread": 1.0,
    },
    seeds=20,
    block=10,
    summary=(("n", "method", "beta"), ("kl", "reward", "shortfall")),
)
