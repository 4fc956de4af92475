"""Variance of the policy gradient on the way from the reference to the optimum, with the normaliser and with other baselines.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 5.2, eq. 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.problems import join_problems
from bandits.experiments.engine.records import Records
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure"]

BASELINES = ("none", "normaliser", "mean", "best", "reference answer")


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: what was drawn. `variance`: tr Cov of the single-sample policy gradient in the logits, with each baseline, by
    enumeration and from `draws` samples; `along` is 0 at the reference, 1 at the optimum; `shift` is added to every reward.
    `small`: the same of the problem `reward`, `reference`."""
    beta = task["beta"]
    problems = [task.problem(seed, beta=beta, contexts=1, actions=task["actions"], spread=task["spread"]) for seed in task.seeds]
    for seed, problem in zip(task.seeds, problems, strict=True):
        yield {"kind": "problem", "seed": seed, "beta": beta, "reward": problem.reward[0], "log_ref": problem.log_ref[0]}
    yield from _measured(task, "variance", task.seeds, join_problems(problems))
    if 0 in task.seeds:
        small = TabularBandit([1.0], [task["reward"]], np.log([task["reference"]]), beta)
        yield from _measured(task, "small", (0,), small)


def _measured(task: Task, kind: str, seeds: Sequence[int], joint: TabularBandit) -> Iterator[dict[str, Any]]:
    points = [(0.0, along) for along in task["along"]]
    points += [(shift, along) for shift in task["shifts"] if shift != 0 for along in task["along"] if along in (0, 1)]
    for shift, along in points:
        rng = task.block_stream(f"{kind} {shift} {along}")
        moved = joint.replace(reward=joint.reward + shift)
        best = maximise_value(moved).log_policy
        logits = (1 - along) * joint.log_ref + along * best
        log_policy = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        yield from _variances(kind, seeds, moved, moved.values(best), log_policy, task["draws"], rng, {"shift": shift, "along": along})


def _variances(
    kind: str,
    seeds: Sequence[int],
    joint: TabularBandit,
    value: Array,
    log_policy: Array,
    draws: int,
    rng: np.random.Generator,
    where: dict[str, float],
) -> Iterator[dict[str, Any]]:
    """One record for each baseline and seed; an outcome is an answer of the policy and one of the reference."""
    policy, ref = np.exp(log_policy), np.exp(joint.log_ref)
    chance = policy[:, :, None] * ref[:, None, :]
    chance /= chance.sum(axis=(1, 2), keepdims=True)
    seen = rng.multinomial(draws, chance.reshape(len(chance), -1)).reshape(chance.shape) / draws
    score = np.eye(joint.n_actions)[None] - policy[:, None, :]
    gain = joint.reward - joint.beta * (log_policy - joint.log_ref)
    expected = np.einsum("xy,xy,xyk->xk", policy, gain, score)
    for name, baseline in _baselines(joint, value, policy, gain, score).items():
        signal = gain[:, :, None] - baseline
        mean, exact = _moments(chance, signal, score)
        _, sampled = _moments(seen, signal, score)
        level = (chance * baseline).sum(axis=(1, 2))
        bias = np.abs(mean - expected).max(axis=1)
        numbers = zip(exact.tolist(), (sampled * draws / (draws - 1)).tolist(), level.tolist(), bias.tolist(), strict=True)
        for seed, (variance, estimate, height, moved) in zip(seeds, numbers, strict=True):
            told = {"variance": variance, "sampled": estimate, "level": height, "bias": moved}
            yield {"kind": kind, "seed": seed, "beta": joint.beta, **where, "baseline": name} | told


def _baselines(joint: TabularBandit, value: Array, policy: Array, gain: Array, score: Array) -> dict[str, Array]:
    """(X, 1, 1) or, for the reward of an answer of the reference, (X, 1, A)."""
    length = (score**2).sum(axis=2)
    best = (policy * gain * length).sum(axis=1) / (policy * length).sum(axis=1)
    levels = (np.zeros_like(value), value, (policy * gain).sum(axis=1), best)
    return dict(zip(BASELINES, [*(level[:, None, None] for level in levels), joint.reward[:, None, :]], strict=True))


def _moments(weight: Array, signal: Array, score: Array) -> tuple[Array, Array]:
    """(X, A) mean and (X,) trace of the covariance of signal * score under (X, A, A) weights that sum to 1."""
    mean = np.einsum("xyz,xyz,xyk->xk", weight, signal, score)
    away = signal[..., None] * score[:, :, None, :] - mean[:, None, None, :]
    return mean, np.einsum("xyz,xyzk->x", weight, away**2)


def check(plan: Plan) -> None:
    """Refuse places off the path, one draw, and several contexts."""
    if not all(0 <= along <= 1 for along in plan.settings["along"]) or not {0, 1} <= set(plan.settings["along"]):
        raise ValueError(f"along is {plan.settings['along']}, expected numbers from 0 (the reference) to 1 (the optimum), both among them.")
    if plan.settings["draws"] < 2:
        raise ValueError(f"draws is {plan.settings['draws']}, expected 2 or more: one sample has no variance.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for actor_critic. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: variance with each baseline on the way to the optimum. Right: with a constant added to every reward."""
    from bandits import plots

    found = records.where(kind="variance")
    left, right = plots.panels(figure, 2, room=1.5)
    lines = []
    for name in BASELINES:
        groups = sorted(found.where(baseline=name, shift=0.0).means("variance", "along"))
        at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
        lines.append(plots.band(left, at, mean, error, **plots.mark(name, BASELINES)))
    left.set_xlabel("from the reference (0) to the optimum (1)")
    left.set_ylabel("tr Cov of the gradient")
    left.set_title(f"{len(found.values('seed'))} problems")
    left.set_ylim(bottom=0)
    plots.label_ends(left, lines, BASELINES)
    curves = [(name, along) for along in (0, 1) for name in ("none", "normaliser")]
    names = [f"{name}, {'optimum' if along else 'reference'}" for name, along in curves]
    lines = []
    for (name, along), label in zip(curves, names, strict=True):
        groups = sorted(found.where(baseline=name, along=along).means("variance", "shift"))
        at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
        lines.append(plots.band(right, at, mean, error, **plots.mark(label, names)))
    right.set_xlabel("added to every reward")
    right.set_ylabel("tr Cov of the gradient")
    right.set_title("the same optimum for every shift")
    right.set_ylim(bottom=0)
    plots.label_ends(right, lines, names)


STUDY = Study(
    name="actor_critic",
    question="Does the normaliser of section 5.2 lower the variance of the policy gradient, and where?",
    measures="variance of the single-sample policy gradient with each baseline, by enumeration and sampled",
    measure=measure,
    draw=draw,
    axes={"beta": (0.5,)},
    settings={
        "along": (0.0, 0.25, 0.5, 0.75, 1.0),
        "shifts": (-1.0, 0.0, 1.0, 2.0),
        "actions": 5,
        "spread": 1.0,
        "draws": 1000,
        "reward": (1.0, 0.0, -1.0),
        "reference": (0.5, 0.3, 0.2),
    },
    seeds=100,
    block=50,
    check=check,
    summary=(("shift", "along", "baseline"), ("variance", "sampled")),
)
