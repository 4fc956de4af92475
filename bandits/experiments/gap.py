"""What separates a trained DPO policy from the RLHF optimum: four terms that sum to the difference.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 4; the decomposition is this study's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bandits.data import Comparisons, PairLogProbs
from bandits.derivatives import loss_values
from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.population import population
from bandits.experiments.engine.problems import draw_counts
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.descent import slope_of
from bandits.experiments.methods.linear import Fitted, fit_linear
from bandits.features import maximise_value_linear
from bandits.linear import linear_log_policy
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit
from bandits.sample import preference_matrix

__all__ = ["STUDY", "check", "draw", "measure"]

DESIGNS = ("all pairs", "chain", "one never compared")
CLASSES = ("table", "features")
_STARTS = 3
TERMS = ("misspecification", "coverage", "statistical", "optimisation")


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn. `policy`: the optimum, the best policy of the class, and the class's DPO policies told the exact
    population of all pairs and of the design. `gap`: J at the optimum minus J after some steps of gradient descent on n comparisons,
    and its terms: best in class and exact on all pairs (misspecification), on the design (coverage), on n comparisons
    (statistical), after the steps (optimisation)."""
    problems = [task.problem(seed, beta=task["beta"], contexts=1, actions=task["actions"], spread=task["spread"]) for seed in task.seeds]
    actions = problems[0].n_actions
    for seed, problem in zip(task.seeds, problems, strict=True):
        told = {"reward": problem.reward[0], "log_ref": problem.log_ref[0]}
        yield {"kind": "problem", "seed": seed, **told, "features": _random_features(task, seed, actions)}
    best = [maximise_value(problem).log_policy for problem in problems]
    for kind in CLASSES:
        features = _features(task, kind, problems)
        starts = 1 if kind == "table" else _STARTS
        inside = [maximise_value_linear(*asked, starts=starts).log_policy for asked in zip(problems, features, strict=True)]
        for design in task["designs"]:
            yield from _measured(task, kind, design, problems, features, {"optimum": best, "best in class": inside})


def design_of(name: str, actions: int) -> Array:
    """(1, A, A) weights of the compared pairs, which sum to 1; both orders count."""
    weights = np.ones((actions, actions)) - np.eye(actions)
    if name == "chain":
        weights = np.eye(actions, k=1) + np.eye(actions, k=-1)
    if name == "one never compared":
        weights[-1, :] = weights[:, -1] = 0.0
    return (weights / weights.sum())[None]


def _exactly(problem: TabularBandit, design: Array) -> Comparisons:
    return population(design, preference_matrix(problem, None, design))


def _features(task: Task, kind: str, problems: Sequence[TabularBandit]) -> list[Array]:
    actions = problems[0].n_actions
    if kind == "table":
        return [np.eye(actions)[None]] * len(problems)
    return [_random_features(task, seed, actions)[None] for seed in task.seeds]


def _random_features(task: Task, seed: int, actions: int) -> Array:
    return task.stream(seed, "features").normal(size=(actions, task["features"]))


def _measured(
    task: Task, kind: str, design: str, problems: Sequence[TabularBandit], features: Sequence[Array], ladder: Mapping[str, Sequence[Array]]
) -> Iterator[dict[str, Any]]:
    """The ladder of policies in one class, and the gaps between them."""
    (loss,) = (make(task["beta"]) for make in task.losses.values())
    pairs = {name: design_of(name, problems[0].n_actions) for name in ("all pairs", design)}
    exact = {name: fit_linear(problems, loss, features, [_exactly(one, weights) for one in problems]) for name, weights in pairs.items()}
    ladder = {**ladder, "all pairs": [one.log_policy for one in exact["all pairs"]], "design": [one.log_policy for one in exact[design]]}
    heights = {name: [problem.value(one) for problem, one in zip(problems, rows, strict=True)] for name, rows in ladder.items()}
    place = {"class": kind, "design": design}
    for name, rows in ladder.items():
        for seed, one in zip(task.seeds, rows, strict=True):
            yield {"kind": "policy", "seed": seed, **place, "stage": name, "log_policy": one[0]}
    for n in task["sizes"]:
        streams = [task.stream(seed, f"data {n}") for seed in task.seeds]
        data = [draw_counts(problem, n, rng, design=pairs[design]) for problem, rng in zip(problems, streams, strict=True)]
        fitted = fit_linear(problems, loss, features, data)
        for steps, (seed, trained) in _trained(task, loss, problems, features, data, fitted):
            i = task.seeds.index(seed)
            top, first, whole, seen = (heights[name][i] for name in ladder)
            last = problems[i].value(trained["log_policy"][None])
            known = not np.isnan(fitted[i].theta).any()
            estimate = problems[i].value(fitted[i].log_policy) if known else None
            terms = {
                "class_term": top - first,
                "objective_term": first - whole,
                "misspecification": top - whole,
                "coverage": whole - seen,
                "statistical": None if estimate is None else seen - estimate,
                "optimisation": None if estimate is None else estimate - last,
            }
            yield {"kind": "gap", "seed": seed, **place, "n": n, "steps": steps, "total": top - last, **terms, **trained}


def _trained(
    task: Task,
    loss: Any,
    problems: Sequence[TabularBandit],
    features: Sequence[Array],
    data: Sequence[Comparisons],
    fitted: Sequence[Fitted],
) -> Iterator[tuple[int, tuple[int, dict[str, Any]]]]:
    """Gradient descent from the reference, all problems at once: the policy after each number of steps, how far its loss lies above
    the least, the step's length, and the squared distance from the reference to the least."""
    phi, actions = np.concatenate(features), problems[0].n_actions
    wins = np.zeros((len(problems), actions, actions))
    for table, seen in zip(wins, data, strict=True):
        np.add.at(table, (seen.chosen, seen.rejected), np.asarray(seen.weight, dtype=float))
    wins /= wins.sum(axis=(1, 2), keepdims=True)
    apart = phi[:, :, None] - phi[:, None, :]
    spread = np.linalg.eigvalsh(np.einsum("pij,pijd,pije->pde", wins, apart, apart))[:, -1]
    length = task["rate"] / (task["beta"] ** 2 * spread)
    slope, theta, taken = slope_of(loss, wins), np.zeros((len(problems), phi.shape[2])), 0
    goal = np.stack([one.theta for one in fitted])
    least = _mean_loss(loss, wins, np.einsum("pad,pd->pa", phi, goal))
    for steps in sorted(task["steps"]):
        while taken < steps:
            theta = theta - length[:, None] * np.einsum("pad,pa->pd", phi, slope(np.einsum("pad,pd->pa", phi, theta)))
            taken += 1
        excess = _mean_loss(loss, wins, np.einsum("pad,pd->pa", phi, theta)) - least
        for i, seed in enumerate(task.seeds):
            there = not np.isnan(goal[i]).any()
            told = {"excess": excess[i] if there else None, "length": length[i], "away": float(goal[i] @ goal[i]) if there else None}
            yield steps, (seed, told | {"log_policy": linear_log_policy(problems[i].log_ref, features[i], theta[i])[0]})


def _mean_loss(loss: Any, wins: Array, log_ratio: Array) -> Array:
    """(P,) mean losses; NaN where the log-ratios are."""
    problem, chosen, rejected = np.nonzero(wins)
    zero = np.zeros(len(problem))
    values = loss_values(loss, PairLogProbs(log_ratio[problem, chosen], log_ratio[problem, rejected], zero, zero))
    return np.bincount(problem, wins[problem, chosen, rejected] * values, len(wins))


def check(plan: Plan) -> None:
    """Refuse unknown designs, several losses or contexts, too few answers, a rate that is not positive."""
    for design in plan.settings["designs"]:
        if design not in DESIGNS:
            raise ValueError(f"there is no design {design!r}. There are {', '.join(DESIGNS)}.")
    if len(plan.losses) != 1:
        raise ValueError(f"there are {len(plan.losses)} losses, expected the one whose gap is split.")
    actions = plan.settings["actions"] if plan.bandit is None else plan.bandit.n_actions
    if actions < 3:
        raise ValueError(f"there are {actions} answers, expected 3 or more: one of them is never compared.")
    if not plan.settings["rate"] > 0 or min(plan.settings["sizes"]) < 1 or min(plan.settings["steps"]) < 0:
        raise ValueError("expected rate > 0, sizes >= 1 and steps >= 0.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for gap. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """The terms against the steps of gradient descent, for the last design and the fewest comparisons: a panel for each class."""
    from bandits import plots

    gaps = records.where(kind="gap")
    design, n = gaps.values("design")[-1], min(gaps.values("n"))
    names = ("total", *TERMS)
    for axes, kind in zip(plots.panels(figure, len(CLASSES), room=1.3), CLASSES, strict=True):
        mine = gaps.where(**{"class": kind}, design=design, n=n)
        missing = {row["seed"] for row in mine if row["statistical"] is None}
        mine = mine.where(seed=tuple(seed for seed in mine.values("seed") if seed not in missing))
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        axes.axhline(0.0, color="0.6", linewidth=1)
        lines = []
        for name in names:
            groups = sorted(mine.means(name, "steps"))
            at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
            lines.append(plots.band(axes, at, mean, error, **plots.mark(name, names)))
        axes.set_xlabel("steps of gradient descent")
        axes.set_ylabel("J below the optimum")
        axes.set_title(f"{kind}, {design}, n = {n}")
        plots.label_ends(axes, lines, names)


STUDY = Study(
    name="gap",
    question="What separates a trained DPO policy from the RLHF optimum: data, coverage, the policy class, or too few steps?",
    measures="regret of the trained policy, and its statistical, coverage, misspecification and optimisation terms",
    measure=measure,
    draw=draw,
    settings={
        "beta": 0.5,
        "designs": DESIGNS,
        "actions": 5,
        "spread": 1.0,
        "features": 2,
        "sizes": (300, 3000),
        "steps": (0, 1, 3, 10, 30, 100, 300),
        "rate": 4.0,
    },
    seeds=40,
    block=40,
    check=check,
    summary=(("class", "design", "n"), ("total", *TERMS)),
)
