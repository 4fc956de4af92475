"""Label noise: comparisons whose labels are flipped at some rate, what each loss makes of them, and when an order is turned round.

Source: Ray Chowdhury, Kini, Natarajan 2024, arXiv:2403.00409, on flipped labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.population import population
from bandits.experiments.engine.problems import draw_counts, join_problems
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import answers
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit
from bandits.sample import design_matrix, preference_matrix

__all__ = ["STUDY", "check", "draw", "flipped", "measure"]

_RATES, _ZOOMS = 65, 5
_TIED = 1e-9


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`order`: random problems, all pairs, the population of flipped labels: share of pairs in the reward's order, and regret. `sample`:
    mean regret of `draws` data sets of n comparisons of three answers, at the rates in `sampled`. `chain`: a chain of answers each
    compared with the next, and the margin between its ends; `threshold`: the rate at which that margin changes sign."""
    beta = task["beta"]
    problems = [task.problem(seed, beta=beta, contexts=1, actions=task["actions"], spread=task["spread"], skew=0.5) for seed in task.seeds]
    yield from _ordered(task, problems)
    for rate in task["sampled"]:
        yield from _sampled(task, rate)
    if 0 in task.seeds:
        yield from _chained(task)


def flipped(preferences: Array, rate: float | Array) -> Array:
    """P(the label says that i beats j) when labels are flipped at `rate`.

    >>> flipped(np.array([[0.5, 0.9], [0.1, 0.5]]), 0.1).round(2).tolist()
    [[0.5, 0.82], [0.18, 0.5]]
    """
    return np.asarray(preferences + rate - 2 * preferences * rate)


def _ordered(task: Task, problems: list[TabularBandit]) -> Iterator[dict[str, Any]]:
    cells = [(rate, seed, problem) for rate in task["rates"] for seed, problem in zip(task.seeds, problems, strict=True)]
    copies = [problem for _, _, problem in cells]
    joint, rates = join_problems(copies), np.array([rate for rate, _, _ in cells])
    data = population(design_matrix(joint), flipped(preference_matrix(joint), rates[:, None, None]))
    best = joint.values(maximise_value(joint).log_policy)
    for name, method in task.methods.items():
        for (rate, seed, problem), top, answer in zip(cells, best, answers(method, copies, data), strict=True):
            row = {"kind": "order", "seed": seed, "rate": rate, "method": name, "status": answer.status}
            if answer.log_policy is None:
                yield row | {"in_order": None, "regret": None}
                continue
            first, second = np.triu_indices(problem.n_actions, 1)
            ratio, reward = (answer.log_policy - problem.log_ref)[0], problem.reward[0]
            gap = ratio[first] - ratio[second]
            said = np.where(np.abs(gap) > _TIED * (1 + np.abs(ratio).max()), np.sign(gap), 0.0)
            agreed = (1 + said * np.sign(reward[first] - reward[second])) / 2
            yield row | {"in_order": float(agreed.mean()), "regret": float(top - problem.values(answer.log_policy)[0])}


def _sampled(task: Task, rate: float) -> Iterator[dict[str, Any]]:
    problems = [task.problem(seed, beta=task["beta"], contexts=1, actions=3, spread=0.7, skew=0.5) for seed in task.seeds]
    copies = [problem for problem in problems for _ in range(task["draws"])]
    joint = join_problems(copies)
    noisy = flipped(preference_matrix(joint), rate)
    data = draw_counts(joint, task["n"], task.block_stream(f"labels at {rate}"), preferences=noisy, per_context=True)
    best = joint.values(maximise_value(joint).log_policy)
    for name, method in task.methods.items():
        given = answers(method, copies, data)
        regrets = np.array(
            [np.nan if a.log_policy is None else top - p.values(a.log_policy)[0] for a, p, top in zip(given, copies, best, strict=True)]
        ).reshape(len(problems), -1)
        for seed, problem, each in zip(task.seeds, problems, regrets, strict=True):
            known = each[~np.isnan(each)]
            row = {"kind": "sample", "seed": seed, "rate": rate, "method": name, "draws": len(known)}
            told = {"reward": problem.reward[0], "log_ref": problem.log_ref[0]}
            yield row | {"regret": float(known.mean()) if len(known) else None} | told


def _chained(task: Task) -> Iterator[dict[str, Any]]:
    for name, method in task.methods.items():

        def margins(rates: Array, use: Callable[..., Any] = method) -> Array:
            return _margins(task, use, rates)

        for rate, margin in zip(task["rates"], margins(np.array(task["rates"])).tolist(), strict=True):
            yield {"kind": "chain", "rate": rate, "method": name, "margin": None if np.isnan(margin) else margin}
        yield {"kind": "threshold", "method": name, "threshold": _crossing(margins)}


def _margins(task: Task, method: Callable[..., Any], rates: Array) -> Array:
    """(R,) beta times the margin between the chain's ends at each rate; NaN where there is no policy."""
    odds = np.array(task["odds"], dtype=float)
    wins = odds[:, 0] / odds.sum(axis=1)
    size = len(wins) + 1
    step = np.arange(size - 1)
    design, beats = np.zeros((size, size)), np.full((size, size), 0.5)
    design[step, step + 1] = design[step + 1, step] = 1.0
    beats[step, step + 1], beats[step + 1, step] = wins, 1 - wins
    chain = TabularBandit([1.0], np.zeros((1, size)), np.full((1, size), -np.log(size)), task["beta"])
    data = population(np.broadcast_to(design, (len(rates), size, size)), flipped(beats, rates[:, None, None]))
    given = answers(method, [chain] * len(rates), data)
    ends = [np.nan if answer.log_policy is None else answer.log_policy[0, 0] - answer.log_policy[0, -1] for answer in given]
    return task["beta"] * np.array(ends)


def _crossing(margins: Callable[[Array], Array]) -> float | None:
    """The first rate below 1/2 at which the margin changes sign, by ever finer grids; None if it does not."""
    low, high = 0.0, 0.499
    for _ in range(_ZOOMS):
        rates = np.linspace(low, high, _RATES)
        found = margins(rates)
        turns = np.flatnonzero(((found[:-1] > 0) != (found[1:] > 0)) & np.isfinite(found[:-1] + found[1:]))
        if len(turns) == 0:
            return None
        at = int(turns[0])
        low, high = rates[at], rates[at + 1]
    return float(low + (high - low) * found[at] / (found[at] - found[at + 1]))


def check(plan: Plan) -> None:
    """Refuse rates that are no probabilities, odds that are not positive, and more than one context."""
    for rate in (*plan.settings["rates"], *plan.settings["sampled"]):
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate is {rate}, expected a probability in [0, 1]: how often a label is flipped.")
    odds = plan.settings["odds"]
    if len(odds) < 2 or any(np.shape(pair) != (2,) or min(pair) <= 0 for pair in odds):
        raise ValueError(
            f"odds is {odds!r}, expected two or more pairs of positive numbers: wins against losses of each step of the chain."
        )
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for label_noise. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: the margin between the chain's ends against the rate of flips, its changes of sign ringed. Right: pairs kept in order."""
    from bandits import plots

    chain, order = records.where(kind="chain"), records.where(kind="order")
    names = chain.values("method")
    left, right = plots.panels(figure, 2, room=1.0)
    left.axhline(0.0, color="0.6", linewidth=1)
    left.set_yscale("symlog", linthresh=0.1)
    left.yaxis.set_major_formatter("{x:g}")
    lines = []
    for name in names:
        mine = chain.where(method=name)
        x, y = mine.column("rate"), mine.column("margin")
        lines.append(plots.band(left, x, y, np.zeros(len(x)), **plots.mark(name, names)))
        for row in records.where(kind="threshold", method=name):
            if row["threshold"] is not None:
                left.plot(row["threshold"], 0.0, "o", markersize=10, markerfacecolor="none", color=lines[-1].get_color())
    left.set_xlabel("rate of flipped labels")
    left.set_ylabel("beta × margin, first over last answer")
    left.set_title("a chain: the order turns at the rings")
    plots.label_ends(left, lines, names)
    lines = []
    for name in names:
        groups = order.where(method=name).means("in_order", "rate")
        lines.append(
            plots.band(right, [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups], **plots.mark(name, names))
        )
    right.set_xlabel("rate of flipped labels")
    right.set_ylabel("share of pairs in the reward's order")
    right.set_title("all pairs compared, random problems")
    plots.label_ends(right, lines, names)


STUDY = Study(
    name="label_noise",
    question="At which rate of flipped labels does a ranking turn round, and what does each loss lose before?",
    measures="order and regret of each loss's minimiser on flipped labels, and the rate at which a chain's ends change places",
    measure=measure,
    draw=draw,
    settings={
        "beta": 0.5,
        "rates": (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.55),
        "actions": 4,
        "spread": 1.0,
        "odds": ((20, 1), (1, 3), (1, 3)),
        "n": 30_000,
        "draws": 8,
        "sampled": (0.1,),
    },
    seeds=40,
    block=40,
    check=check,
    summary=(("rate", "method"), ("in_order", "regret", "margin")),
)
