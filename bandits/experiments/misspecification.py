"""Misspecification: policies and rewards linear in features that cannot express the truth, fitted under designs that differ.

Source: the instance of three answers follows arXiv:2510.20413 on what DPO projects; that of shared prompts is derived in claim C6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from bandits.door import Array
from bandits.experiments.engine.measures import reward_and_kl
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.problems import join_problems
from bandits.experiments.engine.records import Records
from bandits.features import maximise_value_linear, minimise_loss_linear
from bandits.linear import linear_log_policy
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "fit_each", "measure"]

_POINTS, _ZOOMS = 33, 6


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`line`: three answers on a line, weight `w` on the first pair and the rest on the others alike; each loss's policy, the policy of
    a linear reward, and the best linear policy. `turn`: the weight at which a loss's theta changes sign. `prompts`: one logit for
    all prompts. `random`: random features, rewards and designs."""
    if 0 in task.seeds:
        yield from _on_a_line(task)
        yield from _shared(task)
    yield from _random(task)


def fit_each(loss: Any, problems: list[TabularBandit], features: Array, designs: Array) -> Array:
    """(P, D) theta of P problems of one context each, by one solve in which each has its own coordinates.

    Args:
        loss: one number for each comparison.
        problems: P of them, of one beta.
        features: (P, A, D).
        designs: (P, A, A) weights of compared pairs.
    """
    count, actions, width = features.shape
    apart = np.zeros((count, actions, count, width))
    apart[np.arange(count), :, np.arange(count)] = features
    found = minimise_loss_linear(join_problems(problems), loss, apart.reshape(count, actions, -1), design=designs)
    return found.theta.reshape(count, width)


def _line_design(weights: Array) -> Array:
    """(P, 3, 3) `w` on the first pair, half of the rest on each other."""
    found = np.zeros((len(weights), 3, 3))
    found[:, 0, 1] = found[:, 1, 0] = weights / 2
    found[:, [0, 1], 2] = found[:, 2, [0, 1]] = (1 - weights[:, None]) / 4
    return found


def _on_a_line(task: Task) -> Iterator[dict[str, Any]]:
    bandit = TabularBandit([1.0], [task["reward"]], np.full((1, 3), -np.log(3)), task["beta"])
    phi = np.array(task["features"], dtype=float)[:, None]

    def fitted(loss: Any, weights: Array, problem: TabularBandit = bandit) -> Array:
        return fit_each(loss, [problem] * len(weights), np.broadcast_to(phi, (len(weights), 3, 1)), _line_design(weights))[:, 0]

    weights = np.array(task["weights"])
    common = {"kind": "line", "beta": task["beta"]}
    for name, make in task.losses.items():
        thetas = partial(fitted, make(bandit.beta))
        for w, theta in zip(task["weights"], thetas(weights).tolist(), strict=True):
            yield {**common, "w": w, "method": name, "theta": theta, **_worth(bandit, bandit.log_ref[0] + phi[:, 0] * theta)}
        yield {"kind": "turn", "beta": task["beta"], "method": name, "w": _crossing(thetas)}
    slopes = fitted(_likelihood, weights, bandit.replace(beta=1.0))
    copies = join_problems([bandit.replace(reward=phi.T * slope) for slope in slopes])
    for w, slope, policy in zip(task["weights"], slopes.tolist(), maximise_value(copies).log_policy, strict=True):
        yield {**common, "w": w, "method": "linear reward", "theta": slope / bandit.beta, **_worth(bandit, policy)}
    best = maximise_value_linear(bandit, phi[None])
    for w in task["weights"]:
        yield {**common, "w": w, "method": "best linear policy", "theta": float(best.theta[0]), **_worth(bandit, best.log_policy[0])}


def _crossing(thetas: Callable[[Array], Array]) -> float | None:
    """The first weight at which theta changes sign, by ever finer grids; None if it does not."""
    low, high = 0.0, 1.0
    for _ in range(_ZOOMS):
        weights = np.linspace(low, high, _POINTS)
        found = thetas(weights)
        turns = np.flatnonzero((found[:-1] > 0) != (found[1:] > 0))
        if len(turns) == 0:
            return None
        at = int(turns[0])
        low, high = weights[at], weights[at + 1]
    return float(low + (high - low) * found[at] / (found[at] - found[at + 1]))


def _likelihood(pairs: Any) -> Any:
    """The reward's negative log-likelihood, its rewards read off a policy at beta 1."""
    return np.logaddexp(0.0, -pairs.margin)


def _worth(problem: TabularBandit, logits: Array) -> dict[str, float]:
    """Reward and value above the reference's."""
    policy = logits - np.logaddexp.reduce(logits)
    reward, kl = reward_and_kl(problem, policy[None])
    start, _ = reward_and_kl(problem, problem.log_ref)
    return {"reward_gain": reward - start, "kl": kl, "gain": reward - problem.beta * kl - start}


def _shared(task: Task) -> Iterator[dict[str, Any]]:
    gaps = np.array(task["gaps"], dtype=float)
    count = len(gaps)
    reward = np.stack([gaps, np.zeros(count)], axis=1)
    bandit = TabularBandit(np.full(count, 1 / count), reward, np.full((count, 2), -np.log(2)), task["beta"])
    features = np.broadcast_to([[1.0], [0.0]], (count, 2, 1))
    found = {name: minimise_loss_linear(bandit, make(bandit.beta), features).theta[0] for name, make in task.losses.items()}
    found["best linear policy"] = maximise_value_linear(bandit, features).theta[0]
    for name, theta in found.items():
        log_policy = linear_log_policy(bandit.log_ref, features, np.array([theta]))
        yield {"kind": "prompts", "method": name, "theta": float(theta), "gain": bandit.value(log_policy) - bandit.value(bandit.log_ref)}


def _random(task: Task) -> Iterator[dict[str, Any]]:
    shape = {"contexts": 1, "actions": task["actions"], "spread": task["spread"], "skew": 0.5}
    problems = [task.problem(seed, beta=task["beta"], **shape) for seed in task.seeds]
    actions = problems[0].n_actions
    rngs = [task.stream(seed, "features") for seed in task.seeds]
    features = np.stack([rng.normal(size=(actions, task["width"])) for rng in rngs])
    upper = np.triu_indices(actions, 1)
    designs = np.zeros((len(problems), actions, actions))
    for design, rng in zip(designs, rngs, strict=True):
        design[upper] = rng.dirichlet(np.full(len(upper[0]), task["evenness"]))
    designs = designs + designs.transpose(0, 2, 1)
    for seed, problem, phi, design in zip(task.seeds, problems, features, designs, strict=True):
        told = {"reward": problem.reward[0], "log_ref": problem.log_ref[0], "features": phi.tolist(), "design": design.tolist()}
        yield {"kind": "problem", "seed": seed, **told}
    found = {name: fit_each(make(task["beta"]), problems, features, designs) for name, make in task.losses.items()}
    best = [maximise_value_linear(problem, phi[None]).theta for problem, phi in zip(problems, features, strict=True)]
    found["best linear policy"] = np.stack(best)
    for name, thetas in found.items():
        for seed, problem, phi, theta in zip(task.seeds, problems, features, thetas, strict=True):
            row = {"kind": "random", "seed": seed, "method": name, "theta": theta.tolist()}
            yield row | _worth(problem, problem.log_ref[0] + phi @ theta)


def check(plan: Plan) -> None:
    """Refuse weights outside (0, 1), an instance that is not of three answers, and more than one context."""
    if not all(0 < w < 1 for w in plan.settings["weights"]):
        raise ValueError(f"weights is {plan.settings['weights']!r}, expected numbers between 0 and 1: the share of the first pair.")
    for name in ("reward", "features"):
        if len(plan.settings[name]) != 3:
            raise ValueError(f"{name} is {plan.settings[name]!r}, expected three numbers: the answers on the line.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for misspecification. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: reward above the reference's against the weight of the first pair. Right: DPO's value against that of the best in class."""
    from bandits import plots

    line, random = records.where(kind="line"), records.where(kind="random")
    names = line.values("method")
    left, right = plots.panels(figure, 2, room=1.35)
    left.axhline(0.0, color="0.6", linewidth=1)
    lines = []
    for name in names:
        mine = line.where(method=name)
        look = plots.mark(name, names) | ({"markerfacecolor": "none", "markersize": 8} if name == "linear reward" else {})
        lines.append(plots.band(left, mine.column("w"), mine.column("reward_gain"), np.zeros(len(mine)), **look))
        for row in records.where(kind="turn", method=name):
            if row["w"] is not None:
                left.axvline(row["w"], color=lines[-1].get_color(), linewidth=0.7, linestyle=":")
    left.set_xlabel("weight of the pair (1, 2)")
    left.set_ylabel("reward above the reference's")
    left.set_title("three answers on a line: dotted, theta = 0")
    plots.label_ends(left, lines, names)
    best = {row["seed"]: row["gain"] for row in random.where(method="best linear policy")}
    ends = []
    shown = [name for name in random.values("method") if name != "best linear policy"]
    for name in shown:
        points = sorted((best[row["seed"]], row["gain"]) for row in random.where(method=name))
        right.plot(*zip(*points, strict=True), **plots.mark(name, names) | {"linestyle": "none"})
        ends.append(points[-1])
    top = max(best.values())
    right.plot([0, top], [0, top], color="0.75", linewidth=3.5, zorder=1)
    right.axhline(0.0, color="0.6", linewidth=1)
    right.set_xlabel("value gained by the best linear policy")
    right.set_ylabel("value gained over the reference")
    right.set_title("random problems (grey: the best in the class)")
    plots.label_points(right, ends, shown, [plots.mark(name, names)["color"] for name in shown])


STUDY = Study(
    name="misspecification",
    question="What does DPO find when no policy of the class is the optimum, and can it be worse than the reference?",
    measures="theta, reward and value of the linear policy that each loss finds under each design, and of the best one in the class",
    measure=measure,
    draw=draw,
    settings={
        "beta": 1.0,
        "reward": (0.0, 1.0, -10.0),
        "features": (1.0, 0.0, -1.0),
        "weights": (0.05, 0.2, 1 / 3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
        "gaps": (10.0, -2.0, -2.0),
        "actions": 5,
        "width": 2,
        "spread": 2.0,
        "evenness": 0.3,
    },
    seeds=30,
    block=30,
    check=check,
    summary=(("method", "w"), ("theta", "reward_gain", "gain")),
)
