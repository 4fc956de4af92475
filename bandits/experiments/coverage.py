"""Coverage: what DPO does with answers that no pair compares, and with groups of answers that no pair connects.

Source: Song et al. 2024, arXiv:2406.01462, on coverage; the population of eq. 7 of arXiv:2305.18290, pairs left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import loss_values
from bandits.door import Array
from bandits.experiments.engine.measures import reward_and_kl
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.population import population
from bandits.experiments.engine.problems import join_problems
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import answers
from bandits.experiments.methods.descent import descend
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit
from bandits.sample import preference_matrix

__all__ = ["COVERS", "STUDY", "check", "draw", "measure"]

COVERS = ("every pair", "one chain", "two groups", "worst missing", "best missing")


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn, and which answers are connected. `policy`: each method told these pairs' population, and each loss
    trained by gradient descent. `level`: the loss of its minimiser with the first group's mass moved to `share`."""
    problems = [
        task.problem(seed, beta=task["beta"], contexts=1, actions=task["actions"], spread=task["spread"], skew=0.7) for seed in task.seeds
    ]
    joint = join_problems(problems)
    pairs = np.stack([_pairs(task["cover"], problem.reward[0]) for problem in problems])
    groups = [_groups(compared) for compared in pairs]
    beats = preference_matrix(joint)
    data = population(pairs, beats)
    common = [{"seed": seed, "cover": task["cover"]} for seed in task.seeds]
    for row, problem, group in zip(common, problems, groups, strict=True):
        yield {"kind": "problem", **row, "reward": problem.reward[0], "log_ref": problem.log_ref[0], "groups": group}
    best = joint.values(maximise_value(joint).log_policy)
    found = {name: answers(method, problems, data) for name, method in task.methods.items()}
    for name, given in found.items():
        for row, problem, top, answer in zip(common, problems, best, given, strict=True):
            yield {"kind": "policy", **row, "method": name, "status": answer.status, **_told(problem, top, answer.log_policy)}
    wins = pairs * beats
    for name, make in task.losses.items():
        rest = joint.log_ref + descend(make(task["beta"]), wins / wins.sum(axis=(1, 2), keepdims=True))
        policies = rest - np.logaddexp.reduce(rest, axis=1, keepdims=True)
        for row, problem, top, policy in zip(common, problems, best, policies, strict=True):
            yield {"kind": "policy", **row, "method": f"{name}, descended", "status": "ok", **_told(problem, top, policy[None])}
        there = [i for i, answer in enumerate(found.get(name, ())) if answer.log_policy is not None and any(groups[i])]
        for share in task["shares"] if there else ():
            moved = np.stack([_moved(found[name][i].log_policy[0], np.array(groups[i]), share) for i in there])  # type: ignore[index]
            levels = _losses(make(task["beta"]), wins[there], moved, joint.log_ref[there])
            for i, level in zip(there, levels, strict=True):
                yield {"kind": "level", **common[i], "method": name, "share": share, "loss": level}


def _pairs(cover: str, reward: Array) -> Array:
    """(A, A) 1 where two actions are compared."""
    rank = np.argsort(np.argsort(-reward))  # 0 is the best
    first, second = rank[:, None], rank[None, :]
    last = len(reward) - 1
    kept = {
        "every pair": first >= 0,
        "one chain": np.abs(first - second) == 1,
        "two groups": first % 2 == second % 2,
        "worst missing": (first < last) & (second < last),
        "best missing": (first > 0) & (second > 0),
    }[cover]
    return np.asarray(kept & (first != second), dtype=float)


def _groups(compared: Array) -> list[int]:
    """The smallest action with which each is connected."""
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(compared, directed=False)
    return [int(np.flatnonzero(label == mine)[0]) for mine in label]


def _told(problem: TabularBandit, best: float, log_policy: Array | None) -> dict[str, Any]:
    if log_policy is None:
        return dict.fromkeys(("log_policy", "regret", "kl"))
    reward, kl = reward_and_kl(problem, log_policy)
    return {"log_policy": log_policy[0], "regret": best - (reward - problem.beta * kl), "kl": kl}


def _moved(log_policy: Array, group: Array, share: float) -> Array:
    """The policy with `share` of its mass on the first group and the rest on the others, each as it was within."""
    inside = group == group[0]
    within = log_policy - np.where(inside, *(np.logaddexp.reduce(log_policy[part]) for part in (inside, ~inside)))
    return np.asarray(within + np.where(inside, np.log(share), np.log1p(-share)))


def _losses(loss: Any, wins: Array, log_policy: Array, log_ref: Array) -> Array:
    """(P,) the mean loss of each problem's policy."""
    problem, chosen, rejected = np.nonzero(wins)
    ends = (problem, chosen), (problem, rejected)
    seen = PairLogProbs(*(log_policy[end] for end in ends), *(log_ref[end] for end in ends))
    weight = wins[problem, chosen, rejected]
    return np.bincount(problem, weight * loss_values(loss, seen)) / np.bincount(problem, weight)


def check(plan: Plan) -> None:
    """Refuse a cover that is not known, a share outside (0, 1), too few actions, or more than one context."""
    for cover in plan.axes["cover"]:
        if cover not in COVERS:
            raise ValueError(f"cover is {cover!r}, expected one of {', '.join(COVERS)}.")
    if not all(0 < share < 1 for share in plan.settings["shares"]):
        raise ValueError(f"shares is {plan.settings['shares']!r}, expected numbers between 0 and 1: masses of a group.")
    actions, contexts = plan.settings["actions"], 1
    if plan.bandit is not None:
        actions, contexts = plan.bandit.n_actions, plan.bandit.n_contexts
    if actions < 4:
        raise ValueError(f"the problem has {actions} actions, expected 4 or more: two groups need two each.")
    if contexts > 1:
        raise ValueError(f"the problem has {contexts} contexts, expected one for coverage. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: the mass that each method gives the best answer when no pair shows it. Right: regret under each cover."""
    from bandits import plots

    policies = records.where(kind="policy")
    names = tuple(name for name in policies.values("method") if None not in policies.where(method=name).values("regret"))
    left, right = plots.panels(figure, 2, room=1.35)
    cover = "best missing" if len(policies.where(cover="best missing")) else policies.values("cover")[-1]
    problems = {row["seed"]: row for row in records.where(kind="problem", cover=cover)}
    where = {seed: int(np.argmax(row["reward"])) for seed, row in problems.items()}
    order = sorted(problems, key=lambda seed: problems[seed]["log_ref"][where[seed]])
    x = np.exp([problems[seed]["log_ref"][where[seed]] for seed in order])
    left.plot([0, x[-1]], [0, x[-1]], color="0.8", linewidth=5, zorder=1)
    ends = []
    for name in names:
        told = {row["seed"]: row["log_policy"] for row in policies.where(cover=cover, method=name)}
        y = np.exp([told[seed][where[seed]] for seed in order])
        left.plot(x, y, **plots.mark(name, names) | {"linestyle": "none", "markerfacecolor": "none"})
        ends.append((float(x[-1]), float(y[-1])))
    left.set_xlabel("reference's mass on the best answer")
    left.set_ylabel("policy's mass on it")
    left.set_title(f"{cover} (grey: the reference's mass)")
    left.set_ylim(-0.03, 1.03)
    plots.label_points(left, ends, names, [plots.mark(name, names)["color"] for name in names])
    covers, ends = policies.values("cover"), []
    for place, name in enumerate(names):
        groups = policies.where(method=name).means("regret", "cover")
        at = [covers.index(g.key[0]) + 0.12 * (place - (len(names) - 1) / 2) for g in groups]
        look = plots.mark(name, names) | {"linestyle": "none"}
        right.plot(at, [g.mean for g in groups], **look)
        ends.append((len(covers) - 0.6, groups[-1].mean))
        right.errorbar(at, [g.mean for g in groups], [1.96 * g.error for g in groups], fmt="none", ecolor=look["color"], elinewidth=1)
    right.set_xticks(range(len(covers)), [cover.replace(" ", "\n") for cover in covers])
    right.set_ylabel("regret, 95 % interval of the mean")
    right.set_title("what it costs")
    plots.label_points(right, ends, names, [plots.mark(name, names)["color"] for name in names])


STUDY = Study(
    name="coverage",
    question="Where does DPO put its mass when the pairs miss some answers?",
    measures="policy, regret and KL of each method told the population of the pairs that are left, and the loss with masses moved",
    measure=measure,
    draw=draw,
    axes={"cover": COVERS},
    settings={"beta": 0.5, "actions": 5, "spread": 1.0, "shares": (0.001, 0.3, 0.999)},
    seeds=40,
    block=40,
    check=check,
    summary=(("cover", "method"), ("regret", "kl")),
)
