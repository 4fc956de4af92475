"""Over-optimisation: gold reward along the frontier of a proxy, and the point from which more of the proxy is less of the gold.

Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760; Rafailov et al. 2024, arXiv:2406.02900, for direct alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import answers
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure"]

_STEP = 1e-4  # of the difference quotient, relative to 1 + the rate
_POINTS, _ROUNDS = 9, 8
_CLEAR = 1e-7  # reward by which gold must have risen and fallen again for a turn that is no rounding


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`path`: proxy, gold and KL of the proxy's optimum at each rate 1 / beta, and gold's slope there by difference quotient. `turn`: the
    rate of most gold. `method`: each method told the population of the proxy's labels. `gaussian` rows: answers on a line, the proxy
    y and the gold y - kappa y^2 / 2."""
    tables = [_drawn(task, seed) for seed in task.seeds]
    for seed, table in zip(task.seeds, tables, strict=True):
        told = {"proxy": table.proxy, "gold": table.gold, "log_ref": table.log_ref}
        yield {"kind": "problem", "case": "random", "seed": seed, "error": task["error"], **told}
    common = [{"case": "random", "seed": seed, "error": task["error"]} for seed in task.seeds]
    yield from _along(common, tables, np.array(task["rates"]))
    for beta in task["betas"]:
        problems = [TabularBandit([1.0], table.proxy[None], table.log_ref[None], beta) for table in tables]
        for name, method in task.methods.items():
            for row, table, answer in zip(common, tables, answers(method, problems), strict=True):
                found = dict.fromkeys(("proxy", "gold", "kl")) if answer.log_policy is None else _means(table, answer.log_policy[0])
                yield {"kind": "method", **row, "rate": 1 / beta, "method": name, "status": answer.status, **found}
    if 0 in task.seeds and task["error"] == task.plan.axes["error"][0]:
        yield from _along([{"case": "gaussian", "seed": 0}], [_normal(task)], np.array(task["gaussian_rates"]))


class Table(NamedTuple):
    """(A,) each: what is optimised, what is meant, and the reference."""

    proxy: Array
    gold: Array
    log_ref: Array


def _drawn(task: Task, seed: int) -> Table:
    problem = task.problem(seed, beta=1.0, contexts=1, actions=task["actions"], spread=task["spread"], skew=0.7)
    gold = problem.reward[0]
    return Table(gold + task["error"] * task.stream(seed, "error").normal(size=len(gold)), gold, problem.log_ref[0])


def _normal(task: Task) -> Table:
    """N(0, 1) on a grid so fine and wide that sums are integrals to rounding."""
    y = np.linspace(-12.0, 16.0, task["grid"])
    raw = -(y**2) / 2
    return Table(y, y - task["kappa"] * y**2 / 2, raw - np.logaddexp.reduce(raw))


def _optima(tables: list[Table], rates: Array) -> Array:
    """(P, R, A) log-probabilities of the proxies' optima at (P, R) rates, by one search."""
    proxy, log_ref = (np.stack([getattr(table, name) for table in tables]) for name in ("proxy", "log_ref"))
    count, actions = rates.shape[1], proxy.shape[1]
    reward = (rates[:, :, None] * proxy[:, None, :]).reshape(-1, actions)
    share = np.full(len(reward), 1 / len(reward))
    found = maximise_value(TabularBandit(share, reward, np.repeat(log_ref, count, axis=0), 1.0))
    return found.log_policy.reshape(len(tables), count, actions)


def _gold(tables: list[Table], rates: Array) -> Array:
    """(P, R) gold reward at (P, R) rates."""
    return np.einsum("pra,pa->pr", np.exp(_optima(tables, rates)), np.stack([table.gold for table in tables]))


def _slope(tables: list[Table], rates: Array) -> Array:
    """(P, R) slope of the gold reward in the rate, by difference quotient."""
    step = _STEP * (1 + np.abs(rates))
    both = _gold(tables, np.concatenate([rates + step, rates - step], axis=1))
    return np.asarray((both[:, : rates.shape[1]] - both[:, rates.shape[1] :]) / (2 * step))


def _means(table: Table, log_policy: Array) -> dict[str, float]:
    policy = np.exp(log_policy)
    ratio = np.where(policy > 0, log_policy - table.log_ref, 0.0)
    return {"proxy": float(policy @ table.proxy), "gold": float(policy @ table.gold), "kl": max(float(policy @ ratio), 0.0)}


def _along(common: list[dict[str, Any]], tables: list[Table], rates: Array) -> Iterator[dict[str, Any]]:
    grid = np.broadcast_to(rates, (len(tables), len(rates)))
    policies, slopes = _optima(tables, grid), _slope(tables, grid)
    gold = np.zeros(grid.shape)
    for i, (row, table) in enumerate(zip(common, tables, strict=True)):
        for k, rate in enumerate(rates.tolist()):
            told = _means(table, policies[i, k])
            gold[i, k] = told["gold"]
            yield {"kind": "path", **row, "rate": rate, **told, "slope": slopes[i, k]}
    most, top = gold.argmax(axis=1), gold.max(axis=1)
    ways = np.where(top - gold[:, -1] < _CLEAR, "rises", np.where(top - gold[:, 0] < _CLEAR, "falls", "turns"))
    inner = np.flatnonzero(ways == "turns")
    turn = np.full(len(tables), np.nan)
    if len(inner):
        turn[inner] = _zero(lambda at: _slope([tables[i] for i in inner], at), rates[most[inner] - 1], rates[most[inner] + 1])
    height = _gold(tables, np.nan_to_num(turn)[:, None])[:, 0]
    for row, how, rate, most_gold in zip(common, ways.tolist(), turn.tolist(), height.tolist(), strict=True):
        yield {"kind": "turn", **row, "how": how, **({"rate": rate, "gold": most_gold} if how == "turns" else {"rate": None, "gold": None})}


def _zero(slope: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """(P,) where slopes, positive at `low` and negative at `high`, vanish, by ever finer grids."""
    place = np.arange(len(low))
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _POINTS, axis=1)
        found = slope(grid)
        at = np.maximum((found > 0)[:, :-1].cumprod(axis=1).sum(axis=1) - 1, 0)
        low, high, left, right = grid[place, at], grid[place, at + 1], found[place, at], found[place, at + 1]
    return np.asarray(low + (high - low) * left / np.where(left == right, 1.0, left - right))


def check(plan: Plan) -> None:
    """Refuse rates that do not rise from 0, errors and curvatures below 0, and more than one context."""
    for name in ("rates", "gaussian_rates"):
        rates = plan.settings[name]
        if len(rates) < 3 or rates[0] != 0 or not (np.diff(rates) > 0).all():
            raise ValueError(f"{name} is {rates!r}, expected three or more rates 1 / beta that rise from 0.")
    if min(plan.axes["error"]) < 0:
        raise ValueError(f"error is {min(plan.axes['error'])}, expected a standard deviation >= 0: of the proxy from the gold.")
    if not plan.settings["kappa"] > 0:
        raise ValueError(f"kappa is {plan.settings['kappa']}, expected a curvature > 0: else gold never turns.")
    if plan.settings["grid"] < 101:
        raise ValueError(f"grid is {plan.settings['grid']}, expected 101 points or more: fewer are no normal law.")
    if plan.bandit is not None and plan.bandit.n_contexts > 1:
        raise ValueError(f"the problem has {plan.bandit.n_contexts} contexts, expected one for over_optimisation. Pass --pool.")


def draw(records: Records, figure: Any) -> None:
    """Left: gold above the reference's against the distance sqrt(KL), on the line of normal answers and at each error. Right: each
    problem's turning point."""
    from bandits import plots

    left, right = plots.panels(figure, 2, room=1.0)
    errors = records.where(case="random").values("error")
    names = tuple(f"error {error:g}" for error in errors)
    lines = []
    for error, name in zip(errors, names, strict=True):
        path = records.where(kind="path", case="random", error=error)
        start = {row["seed"]: row["gold"] for row in path.where(rate=0.0)}
        risen = Records(records.header, tuple({**row, "gain": row["gold"] - start[row["seed"]], "d": row["kl"] ** 0.5} for row in path))
        away, gain = (risen.means(column, "rate") for column in ("d", "gain"))
        look = plots.mark(name, names) | {"markevery": 4}
        lines.append(plots.band(left, [g.mean for g in away], [g.mean for g in gain], [g.error for g in gain], **look))
    left.axhline(0.0, color="0.6", linewidth=1)
    left.set_xlabel("sqrt(KL to the reference)")
    left.set_ylabel("gold reward above the reference's")
    left.set_title("means over problems, along the proxy's frontier")
    plots.label_ends(left, lines, names)
    path = records.where(kind="path", case="gaussian")
    far, gold = np.sqrt(path.column("kl")), path.column("gold")
    right.plot(far, path.column("proxy"), color="0.6", linewidth=1.3, linestyle="--")
    (line,) = right.plot(far, gold, color="black", marker="o", markevery=2)
    for row in records.where(kind="turn", case="gaussian"):
        if row["rate"] is not None:
            turn = float(np.interp(row["rate"], path.column("rate"), far))
            right.plot(turn, row["gold"], "o", markersize=11, markerfacecolor="none", color="#D55E00")
            right.annotate(
                f"turns at 1/beta = {row['rate']:.4g}", (turn, row["gold"]), (0, 10), textcoords="offset points", color="#D55E00"
            )
    right.set_xlabel("sqrt(KL to the reference)")
    right.set_ylabel("reward")
    right.set_title("normal answers: proxy y, gold y − κ y²/2")
    plots.label_points(right, [(far[-1], path.column("proxy")[-1]), (far[-1], gold[-1])], ("proxy", "gold"), ("0.4", line.get_color()))


STUDY = Study(
    name="over_optimisation",
    question="Along the frontier of a proxy, how far does the gold reward rise, and where does it turn?",
    measures="proxy, gold and KL along the proxy's frontier, gold's slope by difference quotient, and the rate of most gold",
    measure=measure,
    draw=draw,
    axes={"error": (0.5, 1.0, 2.0)},
    settings={
        "rates": (0.0, *(float(rate) for rate in np.geomspace(0.05, 50.0, 25).round(4))),
        "betas": (0.1, 0.5, 2.0),
        "actions": 6,
        "spread": 1.0,
        "kappa": 0.5,
        "gaussian_rates": tuple(float(rate) for rate in np.linspace(0.0, 4.5, 19).round(4)),
        "grid": 301,
    },
    seeds=60,
    block=60,
    check=check,
    summary=(("case", "error", "how"), ("gold", "rate")),
)
