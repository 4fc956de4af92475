"""Where the mass goes at each step of gradient descent, and what can be said of the step before it is taken.

Source: Razin et al. 2024, arXiv:2410.08847; Rafailov et al. 2023, arXiv:2305.18290, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import gradients
from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.problems import join_problems
from bandits.experiments.engine.records import Records

__all__ = ["STUDY", "check", "draw", "measure"]

CASES = ("one pair", "several pairs", "shared features")
PAIRS = {"one pair": ((0, 1, 1.0),), "several pairs": ((0, 1, 0.2), (2, 1, 0.6), (2, 3, 0.2)), "shared features": ((0, 1, 1.0),)}
LEDGER = ("chosen", "rejected", "unseen")
SIGNS = {-1: "falls", 0: "open", 1: "rises"}


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: features and reference. `step`: the masses before each step, the features times the move to be made (`push`), bounds
    `least` and `most` on the rise of the logarithms of: the first chosen answer, and the chosen, rejected and unseen masses; and the
    rise that came. `example`: the same of three answers with features 1, 0 and 3, of which the first is chosen over the second."""
    case, actions = task["case"], task["actions"]
    drawn = [task.problem(seed, beta=task["beta"], contexts=1, actions=actions) for seed in task.seeds]
    log_ref = join_problems(drawn).log_ref
    if case == "shared features":
        features = np.stack([task.stream(seed, "features").normal(size=(log_ref.shape[1], task["features"])) for seed in task.seeds])
    else:
        features = np.broadcast_to(np.eye(log_ref.shape[1]), (len(drawn), log_ref.shape[1], log_ref.shape[1]))
    for seed, one, ref in zip(task.seeds, features, log_ref, strict=True):
        yield {"kind": "problem", "seed": seed, "case": case, "features": one, "log_ref": ref}
    yield from _descend(task, "step", task.seeds, log_ref, features)
    if case == "shared features" and 0 in task.seeds:
        yield from _descend(task, "example", (0,), np.full((1, 3), -np.log(3.0)), np.array([[[1.0], [0.0], [3.0]]]))


def _descend(task: Task, kind: str, seeds: Sequence[int], log_ref: Array, features: Array) -> Iterator[dict[str, Any]]:
    """Gradient descent from the reference, on all problems at once; one record for each problem and step."""
    case = task["case"]
    pairs = PAIRS[case]
    chosen, rejected = sorted({pair[0] for pair in pairs}), sorted({pair[1] for pair in pairs})
    unseen = [answer for answer in range(log_ref.shape[1]) if answer not in (*chosen, *rejected)]
    groups = [[0], chosen, rejected, unseen]
    for name, make_loss in task.losses.items():
        loss = make_loss(task["beta"])
        theta = np.zeros((len(features), features.shape[2]))
        log_policy = log_ref
        for step in range(task["steps"]):
            value, slope = _slope(loss, pairs, log_policy, log_ref, features)
            push = np.einsum("sad,sd->sa", features, -task["step"] * slope)
            least, most = _foretold(log_policy, push, groups)
            theta = theta - task["step"] * slope
            raw = log_ref + np.einsum("sad,sd->sa", features, theta)
            after = raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
            before_mass, after_mass = _log_masses(log_policy, groups), _log_masses(after, groups)
            rise, mass = after_mass - before_mass, np.exp(before_mass)
            told = np.where(most[:, 0] < 0, -1, np.where(least[:, 0] > 0, 1, 0))
            for i, seed in enumerate(seeds):
                ledger = dict(zip(LEDGER, mass[i, 1:].tolist(), strict=True))
                row = {"kind": kind, "seed": seed, "case": case, "loss": name, "step": step, **ledger, "first": float(mass[i, 0])}
                bounds = {"least": least[i], "most": most[i], "rise": rise[i]}
                place = {"value": float(value[i]), "log_policy": log_policy[i], "push": push[i]}
                yield row | place | bounds | {"told": SIGNS[int(told[i])]}
            log_policy = after


def _slope(loss: Callable[..., Any], pairs: Any, log_policy: Array, log_ref: Array, features: Array) -> tuple[Array, Array]:
    """(S,) mean losses and their (S, D) gradients in theta, log pi = log pi_ref + features theta - log Z."""
    winner, loser, weight = (np.array(column) for column in zip(*pairs, strict=True))
    seen = PairLogProbs(*(rows[:, answer].reshape(-1) for rows in (log_policy, log_ref) for answer in (winner, loser)))
    value, pull = gradients(loss, seen)
    pull = pull.reshape(len(features), -1, 2) * weight[:, None]
    centred = features - np.einsum("sa,sad->sd", np.exp(log_policy), features)[:, None]
    slope = np.einsum("sk,skd->sd", pull[..., 0], centred[:, winner]) + np.einsum("sk,skd->sd", pull[..., 1], centred[:, loser])
    return value.reshape(len(features), -1) @ weight, slope


def _foretold(log_policy: Array, push: Array, groups: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    """(S, G), (S, G) bounds on the rise of log pi(G) when the logits move by `push`.

    The rise is log E_G exp(push) - log E exp(push), under pi within the group and under pi; Jensen bounds either logarithm by the mean
    from below, Hoeffding by the mean and an eighth of the squared range from above.
    """
    policy = np.exp(log_policy)
    mean, bend = (policy * push).sum(axis=1), np.ptp(push, axis=1) ** 2 / 8
    least, most = [], []
    for group in groups:
        within = policy[:, group] / policy[:, group].sum(axis=1, keepdims=True)
        centre = (within * push[:, group]).sum(axis=1)
        least.append(centre - mean - bend)
        most.append(centre - mean + np.ptp(push[:, group], axis=1) ** 2 / 8)
    return np.stack(least, axis=1), np.stack(most, axis=1)


def _log_masses(log_policy: Array, groups: Sequence[Sequence[int]]) -> Array:
    return np.stack([np.logaddexp.reduce(log_policy[:, group], axis=1) for group in groups], axis=1)


def check(plan: Plan) -> None:
    """Refuse unknown cases, too few answers, several contexts, a step that is not positive."""
    for case in plan.axes["case"]:
        if case not in CASES:
            raise ValueError(f"there is no case {case!r}. There are {', '.join(CASES)}.")
    actions = plan.settings["actions"] if plan.bandit is None else plan.bandit.n_actions
    if actions < 5:
        raise ValueError(f"there are {actions} answers, expected 5 or more: four are compared, the others are unseen.")
    if not plan.settings["step"] > 0:
        raise ValueError(f"step is {plan.settings['step']}, expected a step length > 0.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for displacement. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: the ledger of one case, over the problems whose first chosen answer fell. Right: every step, foretold and come."""
    from bandits import plots

    steps = records.where(kind="step")
    loss = steps.values("loss")[0]
    left, right = plots.panels(figure, 2)
    case = steps.values("case")[-1]
    mine = steps.where(case=case, loss=loss)
    first, last = (mine.where(step=step) for step in (mine.values("step")[0], mine.values("step")[-1]))
    fell = last.column("first") < first.column("first")
    seeds = tuple(seed for seed, down in zip(last.column("seed"), fell, strict=True) if down) or mine.values("seed")
    lines = []
    for name in LEDGER:
        groups = mine.where(seed=seeds).means(name, "step")
        at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
        lines.append(plots.band(left, at, mean, error, **plots.mark(name, LEDGER) | {"markevery": max(1, len(at) // 8)}))
    left.set_xlabel("step of gradient descent")
    left.set_ylabel("mass")
    left.set_title(f"{case}: chosen fell in {int(fell.sum())} of {len(fell)} problems ({loss})")
    left.set_ylim(bottom=0)
    plots.label_ends(left, lines, LEDGER)
    found = steps.where(loss=loss)
    rise = np.array([row["rise"][0] for row in found])
    bound = np.array([row["most"][0] for row in found])
    said = np.array([row["told"] for row in found])
    names = tuple(SIGNS.values())
    ends = []
    for name in names:
        look = plots.mark(name, names) | {"linestyle": "none", "markersize": 2.5, "alpha": 0.6}
        (line,) = right.plot(bound[said == name], rise[said == name], **look)
        ends.append(line)
    span = [min(bound.min(), rise.min()), max(bound.max(), rise.max())]
    right.plot(span, span, color="0.6", linewidth=1)
    right.axhline(0.0, color="0.6", linewidth=0.6)
    right.axvline(0.0, color="0.6", linewidth=0.6)
    right.set_xlabel("upper bound said before the step, nats")
    right.set_ylabel("rise of log π(chosen), nats")
    right.set_title(f"{len(found)} steps, all cases ({loss})")
    shown = [(line, name) for line, name in zip(ends, names, strict=True) if len(line.get_xdata())]
    places = [(span[1], span[1] - (0.06 + 0.08 * i) * (span[1] - span[0])) for i in range(len(shown))]
    plots.label_points(right, places, [f"told: {name}" for _, name in shown], [line.get_color() for line, _ in shown])


STUDY = Study(
    name="displacement",
    question="When does a gradient step lower the likelihood of the chosen answer, and can one say so before it is taken?",
    measures="chosen, rejected and unseen mass at each step of gradient descent, with bounds on their change from before the step",
    measure=measure,
    draw=draw,
    axes={"case": CASES},
    settings={"beta": 0.5, "actions": 6, "features": 2, "steps": 60, "step": 2.0},
    seeds=20,
    block=20,
    check=check,
    summary=(("case", "loss", "told"), ("chosen", "rejected", "unseen")),
)
