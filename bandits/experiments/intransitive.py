"""Preferences in circles: what DPO, IPO and Nash policies make of them, and how much of it is the design's doing.

Source: Munos et al. 2023, arXiv:2312.00886, for Nash policies; Siththaranjan et al. 2023, arXiv:2312.08358, for Borda counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array
from bandits.experiments.engine.plan import Plan, Study, Task
from bandits.experiments.engine.population import population
from bandits.experiments.engine.problems import join_data
from bandits.experiments.engine.records import Records
from bandits.experiments.methods.answer import answers
from bandits.problem import TabularBandit

__all__ = ["STUDY", "check", "draw", "measure", "ranks"]

DESIGNS = ("all alike", "12 often", "13 often", "23 often")
_TIED = 1e-9


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """`problem`: preferences and design. `policy`: each method's policy there, its strengths (pi / pi_ref to the power beta, normalised)
    and the ranks of the answers. `case` is `cycle` or `circle`, three answers under four designs, or `random`: random preferences of
    `actions` answers, all pairs alike, in a product design, and in one of random weights."""
    cells = [*(_named(task) if 0 in task.seeds else ()), *_random(task)]
    for size in sorted({len(cell.log_ref) for cell in cells}):
        yield from _answered(task, [cell for cell in cells if len(cell.log_ref) == size])


class Cell(NamedTuple):
    """One population: what tells it apart, the weights of its pairs, its preferences, its reference, and the opponents' law.

    Borda counts are wins against opponents drawn from that law.
    """

    row: dict[str, Any]
    design: Array
    beats: Array
    log_ref: Array
    opponents: Array


def _named(task: Task) -> Iterator[Cell]:
    for case in ("cycle", "circle"):
        beats = np.full((3, 3), 0.5)
        beats[np.triu_indices(3, 1)] = task[case]
        beats = np.triu(beats, 1) + np.tril(1 - beats.T, -1) + np.eye(3) / 2
        for name, cell in zip(DESIGNS, (None, (0, 1), (0, 2), (1, 2)), strict=True):
            design = np.ones((3, 3)) - np.eye(3)
            if cell is not None:
                design[cell] = design[cell[::-1]] = task["often"]
            yield Cell({"case": case, "seed": 0, "design": name}, design, beats, np.full(3, -np.log(3)), np.full(3, 1 / 3))


def _random(task: Task) -> Iterator[Cell]:
    size = task["actions"]
    for seed in task.seeds:
        rng = task.stream(seed, "preferences")
        upper = np.triu(rng.uniform(size=(size, size)), 1)
        beats = upper + np.tril(1 - upper.T, -1) + np.eye(size) / 2
        mass = rng.dirichlet(np.ones(size))
        weights = np.triu(rng.exponential(size=(size, size)) ** 2, 1)
        log_ref = np.log(rng.dirichlet(np.full(size, 3.0)))
        even, hollow = np.full(size, 1 / size), 1 - np.eye(size)
        designs = (
            ("all alike", hollow, even),
            ("product", np.outer(mass, mass) * hollow, mass),
            ("any weights", weights + weights.T, even),
        )
        for name, design, opponents in designs:
            yield Cell({"case": "random", "seed": seed, "design": name}, design, beats, log_ref, opponents)


def _answered(task: Task, cells: list[Cell]) -> Iterator[dict[str, Any]]:
    problems = [TabularBandit([1.0], np.zeros((1, len(cell.log_ref))), cell.log_ref[None], task["beta"]) for cell in cells]
    for cell in cells:
        told = {"weights": cell.design.tolist(), "beats": cell.beats.tolist(), "log_ref": cell.log_ref, "opponents": cell.opponents}
        yield {"kind": "problem", **cell.row, **told}
    data = join_data(problems, [population(cell.design[None], cell.beats[None]) for cell in cells])
    for name, method in task.methods.items():
        for cell, answer in zip(cells, answers(method, problems, data), strict=True):
            told = dict.fromkeys(("policy", "strengths", "ranks", "as_borda", "unbeaten_first"))
            if answer.log_policy is not None:
                told = _told(cell, answer.log_policy[0], task["beta"])
            yield {"kind": "policy", **cell.row, "method": name, "status": answer.status, **told}


def _told(cell: Cell, log_policy: Array, beta: float) -> dict[str, Any]:
    raw = beta * (log_policy - cell.log_ref)
    strengths = np.exp(raw - np.logaddexp.reduce(raw))
    found = ranks(strengths)
    unbeaten = np.flatnonzero((cell.beats + np.eye(len(raw)) > 0.5).all(axis=1))
    return {
        "policy": np.exp(log_policy),
        "strengths": strengths,
        "ranks": found,
        "as_borda": found == ranks(cell.beats @ cell.opponents),
        "unbeaten_first": found[unbeaten[0]] == 0 if len(unbeaten) else None,
    }


def ranks(scores: Array) -> list[int]:
    """How many answers stand clearly above each.

    >>> ranks(np.array([0.2, 0.6, 0.2]))
    [1, 0, 1]
    """
    return [int((scores > score + _TIED).sum()) for score in scores]


def check(plan: Plan) -> None:
    """Refuse what are no preferences of three answers, a weight that is not positive, and a problem from outside."""
    for case in ("cycle", "circle"):
        if len(plan.settings[case]) != 3 or not all(0 < p < 1 for p in plan.settings[case]):
            raise ValueError(f"{case} is {plan.settings[case]!r}, expected P(1 beats 2), P(1 beats 3), P(2 beats 3), between 0 and 1.")
    if not plan.settings["often"] > 0:
        raise ValueError(f"often is {plan.settings['often']}, expected a weight > 0.")
    if plan.settings["actions"] < 3:
        raise ValueError(f"actions is {plan.settings['actions']}, expected 3 or more: two answers form no circle.")
    if plan.bandit is not None:
        raise ValueError("the study intransitive draws its own preferences: a problem with a reward has none in circles. Leave --from out.")


def draw(records: Records, figure: Any) -> None:
    """Left: the triangle of three answers' strengths, each method under four designs. Right: how often in Borda's order."""
    from bandits import plots

    policies = records.where(kind="policy")
    names = policies.values("method")
    left, right = plots.panels(figure, 2, room=1.2)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    left.plot(*np.vstack([corners, corners[:1]]).T, color="0.6", linewidth=1)
    for corner, name, shift in zip(corners, ("1", "2", "3"), ((-0.05, -0.05), (0.03, -0.05), (0.0, 0.03)), strict=True):
        left.text(corner[0] + shift[0], corner[1] + shift[1], f"answer {name}", ha="center", color="0.4")
    cycle = policies.where(case="cycle")
    ends, labels, colours = [], [], []
    for name in names:
        mine = cycle.where(method=name)
        share = "policy" if name.startswith("nash") else "strengths"
        points = np.array([row[share] for row in mine if row[share] is not None]).reshape(-1, 3) @ corners
        look = plots.mark(name, names)
        for point in points[1:]:
            left.plot(*np.stack([points[0], point]).T, color=look["color"], linewidth=0.7)
        left.plot(*points.T, **look | {"linestyle": "none"})
        shown = mine.values("design") if name == names[0] else mine.values("design")[:1]
        ends += list(points[: len(shown)])
        labels += [design if number else name for number, design in enumerate(shown)]
        colours += [look["color"]] * len(shown)
    left.set_aspect("equal")
    left.set_axis_off()
    left.set_title("one cycle, all pairs alike and one of them often", pad=14)
    plots.label_points(left, ends, labels, colours)
    _against_borda(policies, right)


def _against_borda(policies: Records, axes: Any) -> None:
    from bandits import plots

    random = policies.where(case="random")
    names, designs = random.values("method"), random.values("design")
    ends = []
    for place, name in enumerate(names):
        groups = random.where(method=name).means("as_borda", "design")
        at = [designs.index(g.key[0]) + 0.1 * (place - (len(names) - 1) / 2) for g in groups]
        look = plots.mark(name, names) | {"linestyle": "none"}
        axes.plot(at, [g.mean for g in groups], **look)
        axes.errorbar(at, [g.mean for g in groups], [1.96 * g.error for g in groups], fmt="none", ecolor=look["color"], elinewidth=1)
        ends.append((len(designs) - 0.7, groups[-1].mean))
    axes.set_xticks(range(len(designs)), designs)
    axes.set_xlabel("weights of the pairs")
    axes.set_ylabel("share of problems")
    axes.set_title("random preferences: in Borda's order")
    plots.label_points(axes, ends, names, [plots.mark(name, names)["color"] for name in names])


STUDY = Study(
    name="intransitive",
    question="What do DPO, IPO and Nash policies make of preferences that run in circles, under which design?",
    measures="policy, strengths and ranks of each method on one population of preferences under several designs",
    measure=measure,
    draw=draw,
    settings={"beta": 1.0, "cycle": (0.9, 0.3, 0.8), "circle": (0.8, 0.2, 0.8), "often": 10.0, "actions": 4},
    seeds=60,
    block=60,
    check=check,
    summary=(("case", "design", "method"), ("as_borda", "unbeaten_first")),
)
