"""Contexts never seen: what DPO learns for them through shared features, against an explicit reward model and its optimum.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 7, first question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.problems import draw_counts, join_problems
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.descent import slope_of
from bandits.experiments.methods.linear import fit_linear
from bandits.linear import linear_log_policy
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure"]

PARTS = ("seen", "unseen")


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn; the first `seen` contexts are compared, the others never. `policy`: regret, reward and KL over the
    contexts of either part, and the largest distance in log-probability from the first loss's policy (`apart`) and from the reference
    (`moved`). The rewards are linear in the features, plus `misfit` times noise."""
    problems, features = zip(*(_drawn(task, seed) for seed in task.seeds), strict=True)
    for seed, problem, phi in zip(task.seeds, problems, features, strict=True):
        told = {"reward": problem.reward, "log_ref": problem.log_ref, "features": phi, "context_probs": problem.context_probs}
        yield {"kind": "problem", "seed": seed, "misfit": task["misfit"], **told}
    joint = join_problems(problems)
    best = joint.values(maximise_value(joint).log_policy)
    shape = (len(problems), problems[0].n_contexts)
    weight = np.stack([problem.context_probs for problem in problems])
    inside = {"seen": np.arange(shape[1]) < task["seen"], "unseen": np.arange(shape[1]) >= task["seen"]}
    for n in task["sizes"]:
        data = [_compared(task, seed, problem, n) for seed, problem in zip(task.seeds, problems, strict=True)]
        policies = _policies(task, problems, features, data)
        first = next(iter(policies.values()))
        for name, log_policy in policies.items():
            regret = (best - joint.values(log_policy)).reshape(shape)
            reward = (np.exp(log_policy) * joint.reward).sum(axis=1).reshape(shape)
            kl = (np.exp(log_policy) * (log_policy - joint.log_ref)).sum(axis=1).reshape(shape)
            apart, moved = (np.abs(log_policy - other).max(axis=1).reshape(shape) for other in (first, joint.log_ref))
            for part, where in inside.items():
                share = weight[:, where] / weight[:, where].sum(axis=1, keepdims=True)
                means = {
                    label: (share * rows[:, where]).sum(axis=1) for label, rows in (("regret", regret), ("reward", reward), ("kl", kl))
                }
                means |= {"apart": apart[:, where].max(axis=1), "moved": moved[:, where].max(axis=1)}
                for i, seed in enumerate(task.seeds):
                    numbers = {label: None if np.isnan(column[i]) else float(column[i]) for label, column in means.items()}
                    place = {"seed": seed, "misfit": task["misfit"], "n": n, "method": name, "part": part}
                    yield {"kind": "policy", **place, **numbers}


def _drawn(task: Task, seed: int) -> tuple[TabularBandit, Array]:
    """A problem, and the (X, A, D) features of its answers."""
    contexts = task["seen"] + task["unseen"]
    problem = task.problem(seed, beta=task["beta"], contexts=contexts, actions=task["actions"])
    rng = task.stream(seed, "features")
    features = rng.normal(size=(contexts, task["actions"], task["features"]))
    reward = features @ rng.normal(size=task["features"]) + task["misfit"] * problem.reward
    return problem.replace(reward=reward), features


def _compared(task: Task, seed: int, problem: TabularBandit, n: int) -> Comparisons:
    """n comparisons, all in contexts that are seen."""
    seen = np.where(np.arange(problem.n_contexts) < task["seen"], problem.context_probs, 0.0)
    return draw_counts(problem.replace(context_probs=seen / seen.sum()), n, task.stream(seed, f"data {n}"))


def _policies(task: Task, problems: Sequence[TabularBandit], features: Sequence[Array], data: Sequence[Comparisons]) -> dict[str, Array]:
    """(P X, A) log-policies, by method; NaN where a loss has no minimiser."""
    found = {}
    for name, make_loss in task.losses.items():
        fitted = fit_linear(problems, make_loss(task["beta"]), [phi / task["beta"] for phi in features], data)
        found[name] = np.concatenate([one.log_policy for one in fitted])
    others = [task.stream(seed, "other features").normal(size=phi.shape) for seed, phi in zip(task.seeds, features, strict=True)]
    found["reward model"] = _by_reward(problems, features, data)
    found["reward model, other features"] = _by_reward(problems, others, data)
    found["table"] = _by_table(task, problems, data)
    return found


def _by_reward(problems: Sequence[TabularBandit], features: Sequence[Array], data: Sequence[Comparisons]) -> Array:
    """The reward theta phi of greatest likelihood, then its best policy."""
    flat = [problem.replace(log_ref=np.full(problem.reward.shape, -np.log(problem.n_actions))) for problem in problems]
    fitted = fit_linear(flat, _negative_log_likelihood, features, data)
    reward = np.concatenate([phi @ one.theta for phi, one in zip(features, fitted, strict=True)])
    joint = join_problems(problems)
    known = ~np.isnan(reward).any(axis=1, keepdims=True)
    return np.where(known, maximise_value(joint.replace(reward=np.where(known, reward, 0.0))).log_policy, np.nan)


def _negative_log_likelihood(pairs: Any) -> Any:
    return np.logaddexp(0.0, -(pairs.policy_chosen - pairs.policy_rejected))


def _by_table(task: Task, problems: Sequence[TabularBandit], data: Sequence[Comparisons]) -> Array:
    """`steps` gradient steps of the first loss on the logits of a table, from the reference."""
    loss = next(iter(task.losses.values()))(task["beta"])
    joint, contexts = join_problems(problems), problems[0].n_contexts
    wins = np.zeros((joint.n_contexts, joint.n_actions, joint.n_actions))
    for i, one in enumerate(data):
        np.add.at(wins, (i * contexts + np.asarray(one.context), one.chosen, one.rejected), np.asarray(one.weight, dtype=float))
    wins /= np.maximum(wins.sum(axis=(1, 2), keepdims=True), 1.0)
    slope, ratio = slope_of(loss, wins), np.zeros(joint.reward.shape)
    for _ in range(task["steps"]):
        ratio = ratio - slope(ratio) / task["beta"] ** 2
    return linear_log_policy(joint.log_ref, ratio[:, :, None], np.ones(1))


def check(plan: Plan) -> None:
    """Refuse a problem from outside, which has no features, and a plan without a loss or with a misfit that is not a number >= 0."""
    if plan.bandit is not None:
        raise ValueError("generalisation draws rewards from features, which a given problem does not have. Leave out --from.")
    if not plan.losses:
        raise ValueError("there is no loss, expected at least one to train with.")
    if any(isinstance(value, str) or not 0 <= value < np.inf for value in plan.axes["misfit"]):
        raise ValueError(f"misfit is {list(plan.axes['misfit'])}, expected finite numbers >= 0.")
    if min(plan.settings["sizes"]) < 1:
        raise ValueError(f"sizes is {plan.settings['sizes']}, expected 1 or more comparisons.")


def draw(records: Records, figure: Any) -> None:
    """Regret against the number of comparisons where the reward fits the features, on seen and unseen contexts."""
    from bandits import plots

    found = records.where(kind="policy")
    misfit = found.values("misfit")[0]
    found = found.where(misfit=misfit)
    missing = {row["seed"] for row in found if row["regret"] is None}
    found = found.where(seed=tuple(seed for seed in found.values("seed") if seed not in missing) or found.values("seed"))
    names = found.values("method")
    for axes, part in zip(plots.panels(figure, 2, room=1.9), PARTS, strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        lines = []
        for name in names:
            groups = found.where(method=name, part=part).means("regret", "n")
            at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
            lines.append(plots.band(axes, at, mean, error, **plots.mark(name, names)))
        axes.set_xlabel("comparisons n")
        axes.set_ylabel("J below the optimum")
        axes.set_title(f"{part} contexts, {len(found.values('seed'))} problems")
        plots.label_ends(axes, lines, names)


STUDY = Study(
    name="generalisation",
    question="What does a DPO policy know of contexts it never saw, and does an explicit reward model know more?",
    measures="regret, reward and KL on seen and unseen contexts, and the distance between the policies",
    measure=measure,
    draw=draw,
    axes={"misfit": (0.0, 1.0)},
    settings={
        "beta": 0.5, "seen": 5, "unseen": 5, "actions": 4, "features": 3, "sizes": (100, 1000, 10000), "steps": 100,
    },
    seeds=80,
    block=20,
    check=check,
    summary=(("misfit", "n", "part", "method"), ("regret", "kl", "apart")),
)  # fmt: skip
