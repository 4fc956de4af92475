"""Regret against the number of comparisons: samples, the limit, and the exact law where everything can be enumerated.

Source: Rafailov et al. 2023, arXiv:2305.18290, section 4 (consistency); Ford 1957, Amer. Math. Monthly 64(8), for existence.
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
from bandits.experiments.methods.answer import Answer, answers
from bandits.inference import asymptotic_regret
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure"]

_MOST_OUTCOMES = 20_000


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`limit`: that of n times regret for each seed. `sample`: each method on n comparisons. `law`: on m comparisons of each pair of one
    small problem, every outcome weighed by its probability. `draw`: the same problem sampled, one outcome for each seed."""
    beta = task["beta"]
    problems = [task.problem(seed, beta=beta, contexts=1, actions=task["actions"], spread=task["spread"], skew=0.5) for seed in task.seeds]
    joint = join_problems(problems)
    best = joint.values(maximise_value(joint).log_policy)
    for seed, problem in zip(task.seeds if task["limits"] else (), problems, strict=False):
        yield {"kind": "limit", "seed": seed, "beta": beta, "limit": asymptotic_regret(problem)}
    for n in task["sizes"]:
        data = draw_counts(joint, n, task.block_stream(f"data {n}"), per_context=True)
        found = {name: answers(method, problems, data) for name, method in task.methods.items()}
        policies = {name: _policies(given, joint.n_actions) for name, given in found.items()}
        first = next(iter(policies.values()), np.zeros(0))
        for name, given in found.items():
            regrets, apart = _regrets(joint, best, policies[name]), _apart(policies[name], first)
            for seed, answer, regret, far in zip(task.seeds, given, regrets, apart, strict=True):
                row = {"kind": "sample", "seed": seed, "beta": beta, "n": n, "method": name, "status": answer.status}
                yield row | {"regret": regret, "scaled": None if regret is None else n * regret, "apart": far}
    small = TabularBandit([1.0], [task["reward"]], np.log([task["reference"]]), beta)
    for m in task["per_pair"]:
        if 0 in task.seeds:
            yield from _law(task, small, m)
        yield from _drawn(task, small, m)


def _policies(given: Sequence[Answer], actions: int) -> Array:
    """(P, A) log-probabilities of answers of one context each, NaN rows where there is no policy."""
    none = np.full(actions, np.nan)
    return np.stack([none if answer.log_policy is None else answer.log_policy[0] for answer in given])


def _regrets(joint: TabularBandit, best: Array, policies: Array) -> list[float | None]:
    """J* - J of each policy; None where there is none."""
    there = np.asarray(~np.isnan(policies).any(axis=1))
    regrets = best - joint.values(np.where(there[:, None], policies, joint.log_ref))
    return [regret if known else None for regret, known in zip(regrets.tolist(), there.tolist(), strict=True)]


def _apart(policies: Array, first: Array) -> list[float | None]:
    """Largest difference in log-probability from the first method's policy, nats; None where neither has one, infinite where one has."""
    none, other_none = (np.asarray(np.isnan(rows).any(axis=1)) for rows in (policies, first))
    far = np.where(none != other_none, np.inf, np.abs(np.where(none | other_none, 0.0, (policies - first).T).T).max(axis=1))
    return [None if both else gap for gap, both in zip(far.tolist(), (none & other_none).tolist(), strict=True)]


def _law(task: Task, small: TabularBandit, m: int) -> Iterator[dict[str, Any]]:
    """Every vector of wins, one for each pair, with its probability."""
    wins, weight = _outcomes(small, m)
    for name, given, regrets in _solved(task, small, wins, m):
        exists = np.array([answer.log_policy is not None for answer in given])
        known = np.array([0.0 if regret is None else regret for regret in regrets])
        mean = float((weight * known)[exists].sum() / weight[exists].sum())
        told = {"outcomes": len(wins), "none": float(weight[~exists].sum()), "regret": mean, "n": 3 * m, "scaled": 3 * m * mean}
        yield {"kind": "law", "beta": small.beta, "m": m, "method": name, "limit": asymptotic_regret(small), **told}


def _drawn(task: Task, small: TabularBandit, m: int) -> Iterator[dict[str, Any]]:
    """One outcome for each seed."""
    wins = task.block_stream(f"small {m}").binomial(m, _chances(small), size=(len(task.seeds), len(_chances(small))))
    for name, _, regrets in _solved(task, small, wins, m):
        for seed, regret in zip(task.seeds, regrets, strict=True):
            yield {"kind": "draw", "seed": seed, "beta": small.beta, "m": m, "method": name, "none": regret is None, "regret": regret}


def _solved(task: Task, small: TabularBandit, wins: Array, m: int) -> Iterator[tuple[str, list[Answer], list[float | None]]]:
    """Each method's answers on every row of wins, and their regrets."""
    i, j = np.triu_indices(small.n_actions, 1)
    table = np.concatenate([wins, m - wins], axis=1)
    row, pair = np.nonzero(table)
    data = Comparisons(row, np.append(i, j)[pair], np.append(j, i)[pair], table[row, pair])
    problems = [small] * len(wins)
    joint = join_problems(problems)
    best = np.broadcast_to(small.values(maximise_value(small).log_policy), len(wins))
    for name, method in task.methods.items():
        given = answers(method, problems, data)
        yield name, given, _regrets(joint, best, _policies(given, small.n_actions))


def _chances(small: TabularBandit) -> Array:
    """P(i beats j) for every pair i < j, by Bradley-Terry."""
    i, j = np.triu_indices(small.n_actions, 1)
    return np.asarray(1 / (1 + np.exp(small.reward[0, j] - small.reward[0, i])))


def _outcomes(small: TabularBandit, m: int) -> tuple[Array, Array]:
    """((m + 1)^pairs, pairs) wins of the first of each pair, and their probabilities."""
    from scipy.stats import binom

    chance = _chances(small)
    wins = np.stack(np.meshgrid(*[np.arange(m + 1)] * len(chance), indexing="ij"), axis=-1).reshape(-1, len(chance))
    return wins, np.exp(binom.logpmf(wins, m, chance).sum(axis=1))


def check(plan: Plan) -> None:
    """Refuse a problem that cannot be enumerated, or has more than one context."""
    small = TabularBandit([1.0], [plan.settings["reward"]], np.log([plan.settings["reference"]]), 1.0)
    outcomes = (max(plan.settings["per_pair"]) + 1) ** (small.n_actions * (small.n_actions - 1) // 2)
    if outcomes > _MOST_OUTCOMES:
        raise ValueError(f"the small problem has {outcomes} outcomes, expected at most {_MOST_OUTCOMES}. Take fewer actions or per_pair.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for sample_size. Pass --pool.")
    if min(plan.settings["sizes"]) < 1 or min(plan.settings["per_pair"]) < 1:
        raise ValueError("sizes and per_pair count comparisons, expected 1 or more of each.")


def draw(records: Records, figure: Any) -> None:
    """Left: n times regret over its limit. Right: the exact law of the small problem, and how often there is no estimate."""
    from bandits import plots

    samples, limits = records.where(kind="sample"), records.where(kind="limit")
    limit = {(row["seed"], row["beta"]): row["limit"] for row in limits}
    names = samples.values("method")
    left, right = plots.panels(figure, 2)
    left.set_xscale("log")
    left.set_yscale("log")
    left.axhline(1.0, color="0.6", linewidth=1)
    told = tuple({**row, "ratio": None if row["scaled"] is None else row["scaled"] / limit[row["seed"], row["beta"]]} for row in samples)
    ratios = Records(records.header, told)
    lines = []
    for name in names:
        groups = ratios.where(method=name).means("ratio", "n")
        at, mean, error = [g.key[0] for g in groups], [g.mean for g in groups], [g.error for g in groups]
        lines.append(plots.band(left, at, mean, error, **plots.mark(name, names)))
    left.set_xlabel("comparisons n")
    left.set_ylabel("n × regret / limit")
    left.set_title("random problems, where there is an estimate")
    plots.label_ends(left, lines, names)
    law, drawn = records.where(kind="law", method=names[0]), records.where(kind="draw", method=names[0])
    right.set_xscale("log")
    none = plots.mark("no estimate", ("no estimate", "n × regret / limit"))
    scaled = plots.mark("n × regret / limit", ("no estimate", "n × regret / limit"))
    lines = [
        *right.plot(law.column("m"), law.column("none"), **none),
        *right.plot(law.column("m"), law.column("scaled") / law.column("limit"), **scaled),
    ]
    seen = drawn.means("none", "m")
    right.errorbar(
        [g.key[0] for g in seen], [g.mean for g in seen], [1.96 * g.error for g in seen], fmt="none", ecolor=none["color"], capsize=3
    )
    right.axhline(1.0, color="0.6", linewidth=1)
    right.set_ylim(bottom=0)
    right.set_xlabel("comparisons of each pair m")
    right.set_title("one small problem: exact law, and samples (bars)")
    plots.label_ends(right, lines, ("no estimate", "n × regret / limit"))


STUDY = Study(
    name="sample_size",
    question="How fast does regret fall with the number of comparisons, and how often is there no estimate at all?",
    measures="regret of each method on n comparisons, its limit, and the exact law of a small problem",
    measure=measure,
    draw=draw,
    axes={"beta": (0.5,)},
    settings={
        "sizes": (10, 30, 100, 300, 1000, 3000, 10000, 30000),
        "actions": 3,
        "spread": 0.7,
        "reward": (1.0, 0.0, -1.0),
        "reference": (0.5, 0.3, 0.2),
        "limits": True,
        "per_pair": (1, 2, 3, 5, 10, 20),
    },
    seeds=400,
    block=200,
    check=check,
    summary=(("beta", "n", "method"), ("scaled", "regret")),
)
