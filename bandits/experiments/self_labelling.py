"""Contexts without labels, labelled by the trained policy's own implicit reward: soft, hard, or drawn once.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 7, second question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bandits.data import Comparisons, PairLogProbs
from bandits.derivatives import loss_values
from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.problems import draw_counts
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.linear import Fitted, fit_linear
from bandits.linear import linear_log_policy
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure", "pool_of"]

LABELS = ("soft", "hard", "drawn")


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn, and the first fit. `fit`: labelled comparisons, and `share` times as many labelled by the first fit:
    theta, how far it moved, its length over the first's, J below the optimum, and the mean loss of the self-labelled part. `alone`: the
    self-labelled part without the labelled. `label`: mean of (label minus probability) times scaled margin. `curve`: the policy of
    c times the first theta, and the mean loss of hard labels there."""
    (loss,) = (make(task["beta"]) for make in task.losses.values())
    problems, features = zip(*(_drawn(task, seed) for seed in task.seeds), strict=True)
    data = [_compared(task, seed, problem) for seed, problem in zip(task.seeds, problems, strict=True)]
    first = fit_linear(problems, loss, [phi / task["beta"] for phi in features], data)
    there = [i for i, one in enumerate(first) if not np.isnan(one.theta).any()]
    for i, seed in enumerate(task.seeds):
        problem = problems[i]
        told = {"log_ref": problem.log_ref, "context_probs": problem.context_probs, "features": features[i]}
        yield {"kind": "problem", "seed": seed, **told, "theta": first[i].theta if i in there else None}
    if there:
        kept = [task.seeds[i] for i in there], [problems[i] for i in there], [features[i] for i in there], [data[i] for i in there]
        yield from _labelled(task, loss, *kept, [first[i] for i in there])


def _labelled(
    task: Task,
    loss: Any,
    seeds: Sequence[int],
    problems: Sequence[TabularBandit],
    features: Sequence[Array],
    data: Sequence[Comparisons],
    first: Sequence[Fitted],
) -> Iterator[dict[str, Any]]:
    scaled = [phi / task["beta"] for phi in features]
    pool = pool_of(task["seen"], problems[0].n_contexts, problems[0].n_actions)
    margins = [_margins(phi, one.theta, pool) for phi, one in zip(features, first, strict=True)]
    best = [problem.value(maximise_value(problem).log_policy) for problem in problems]
    for kind in LABELS:
        targets = [_label(task, kind, seed, margin) for seed, margin in zip(seeds, margins, strict=True)]
        for seed, target, margin in zip(seeds, targets, margins, strict=True):
            yield {"kind": "label", "seed": seed, "labels": kind, "radial": float(np.mean((target - _sigmoid(margin)) * margin))}
        only = fit_linear(problems, loss, scaled, [Comparisons(*pool, target=target) for target in targets])
        for seed, one, start in zip(seeds, only, first, strict=True):
            exists = not np.isnan(one.theta).any()
            moved = float(np.abs(one.theta - start.theta).max()) if exists else None
            yield {"kind": "alone", "seed": seed, "labels": kind, "exists": exists, "moved": moved}
        for share in task["shares"]:
            joined = [_with_pool(seen, pool, target, share * task["n"]) for seen, target in zip(data, targets, strict=True)]
            fitted = fit_linear(problems, loss, scaled, joined)
            for i, (seed, one, start) in enumerate(zip(seeds, fitted, first, strict=True)):
                own = _own_loss(loss, task["beta"], _margins(features[i], one.theta, pool), targets[i])
                size = float(np.linalg.norm(one.theta) / np.linalg.norm(start.theta))
                told = {"moved": float(np.abs(one.theta - start.theta).max()), "size": size, "own_loss": own, "theta": one.theta}
                regret = best[i] - problems[i].value(one.log_policy)
                yield {"kind": "fit", "seed": seed, "labels": kind, "share": share, "regret": regret, **told}
    for factor in task["factors"]:
        for i, seed in enumerate(seeds):
            log_policy = linear_log_policy(problems[i].log_ref, scaled[i], factor * first[i].theta)
            own = _own_loss(loss, task["beta"], factor * margins[i], (margins[i] > 0).astype(float))
            kl = float(problems[i].context_probs @ (np.exp(log_policy) * (log_policy - problems[i].log_ref)).sum(axis=1))
            yield {"kind": "curve", "seed": seed, "factor": factor, "own_loss": own, "kl": kl}


def _drawn(task: Task, seed: int) -> tuple[TabularBandit, Array]:
    """A problem whose reward is linear in features, and the (X, A, D) features."""
    contexts = task["seen"] + task["unseen"]
    problem = task.problem(seed, beta=task["beta"], contexts=contexts, actions=task["actions"])
    rng = task.stream(seed, "features")
    features = rng.normal(size=(contexts, task["actions"], task["features"]))
    return problem.replace(reward=features @ rng.normal(size=task["features"])), features


def _compared(task: Task, seed: int, problem: TabularBandit) -> Comparisons:
    """n labelled comparisons, in the seen contexts."""
    seen = np.where(np.arange(problem.n_contexts) < task["seen"], problem.context_probs, 0.0)
    return draw_counts(problem.replace(context_probs=seen / seen.sum()), task["n"], task.stream(seed, "data"))


def pool_of(seen: int, contexts: int, actions: int) -> tuple[Array, Array, Array]:
    """(N,) context, first and second action of every pair in the contexts from `seen` on.

    >>> [column.tolist() for column in pool_of(1, 2, 3)]
    [[1, 1, 1], [0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(actions, 1)
    context = np.repeat(np.arange(seen, contexts), len(first))
    return context, np.tile(first, contexts - seen), np.tile(second, contexts - seen)


def _margins(features: Array, theta: Array, pool: tuple[Array, Array, Array]) -> Array:
    """(N,) differences in implicit reward, first minus second."""
    context, first, second = pool
    return np.asarray((features[context, first] - features[context, second]) @ theta)


def _label(task: Task, kind: str, seed: int, margin: Array) -> Array:
    """(N,) P(first wins) as the labels have it."""
    own = _sigmoid(margin)
    if kind == "soft":
        return own
    return (margin > 0).astype(float) if kind == "hard" else (task.stream(seed, "labels").random(len(margin)) < own).astype(float)


def _with_pool(seen: Comparisons, pool: tuple[Array, Array, Array], target: Array, weight: float) -> Comparisons:
    """Labelled comparisons, and those of the pool with a total weight of `weight`."""
    context, first, second = (np.concatenate(both) for both in zip(seen[:3], pool, strict=True))
    share = np.full(len(target), weight / len(target))
    return Comparisons(
        context, first, second, np.append(np.asarray(seen.weight, dtype=float), share), np.append(np.ones(len(seen.chosen)), target)
    )


def _own_loss(loss: Any, beta: float, margin: Array, target: Array) -> float:
    """Mean loss at scaled margins under the labels."""
    zero = np.zeros(len(margin))
    won, lost = (loss_values(loss, PairLogProbs(side, zero, zero, zero)) for side in (margin / beta, -margin / beta))
    return float(np.mean(target * won + (1 - target) * lost))


def _sigmoid(margin: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -margin)))


def check(plan: Plan) -> None:
    """Refuse a problem from outside, which has no features, several losses, shares and factors that are not positive."""
    if plan.bandit is not None:
        raise ValueError("self_labelling draws rewards from features, which a given problem does not have. Leave out --from.")
    if len(plan.losses) != 1:
        raise ValueError(f"there are {len(plan.losses)} losses, expected the one that is trained with.")
    for name in ("shares", "factors"):
        if not all(0 < value < np.inf for value in plan.settings[name]):
            raise ValueError(f"{name} is {plan.settings[name]}, expected finite numbers > 0.")


def draw(records: Records, figure: Any) -> None:
    """How long theta grows, and how far J falls, against the weight of the self-labelled comparisons."""
    from bandits import plots

    found = records.where(kind="fit")
    left, right = plots.panels(figure, 2)
    for axes, column, text in ((left, "size", "|theta| over the first fit's"), (right, "regret", "J below the optimum")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        lines = []
        for name in LABELS:
            groups = found.where(labels=name).means(column, "share")
            at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
            lines.append(plots.band(axes, at, mean, error, **plots.mark(name, LABELS)))
        axes.set_xlabel("self-labelled comparisons per labelled one")
        axes.set_ylabel(text)
        axes.set_title(f"{len(found.values('seed'))} problems")
        plots.label_ends(axes, lines, LABELS)


STUDY = Study(
    name="self_labelling",
    question="Can a policy learn from contexts without labels that it labels by its own implicit reward?",
    measures="the fit after self-labelling with soft, hard and drawn labels, and the policies along multiples of the first fit",
    measure=measure,
    draw=draw,
    settings={
        "beta": 0.5,
        "n": 300,
        "seen": 5,
        "unseen": 10,
        "actions": 4,
        "features": 2,
        "shares": (0.1, 1.0, 10.0, 100.0),
        "factors": (1.0, 2.0, 4.0, 16.0, 256.0),
    },
    seeds=40,
    block=20,
    check=check,
    summary=(("labels", "share"), ("size", "regret", "moved")),
)
