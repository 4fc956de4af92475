"""What a plan would cost, from a few of its blocks."""

from __future__ import annotations

import json
import time
import tracemalloc
from dataclasses import dataclass

from bandits.experiments.engine.plan import Plan
from bandits.experiments.engine.sweep import run_block

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """The cost of a plan.

    Args:
        blocks: how many blocks.
        problems: how many problems: seeds times points of the axes.
        timed: how many blocks were timed to know.
        seconds: wall time with `jobs` processes, about.
        megabytes: memory in use at once, about: one block for each process, and all records.
        records: how many records, about.
        disk_megabytes: what they take on the disk, about.
        jobs: processes.
    """

    blocks: int
    problems: int
    timed: int
    seconds: float
    megabytes: float
    records: int
    disk_megabytes: float
    jobs: int

    def __str__(self) -> str:
        return (
            f"{_count(self.problems, 'problem')} in {_count(self.blocks, 'block')}; about {_time(self.seconds)} with "
            f"{_count(self.jobs, 'job')}, {self.megabytes:.0f} MB of memory, {_count(self.records, 'record')} "
            f"({self.disk_megabytes:.1f} MB on disk); from {_count(self.timed, 'block')} timed now"
        )


def forecast(plan: Plan, *, jobs: int = 1, budget: float = 3.0) -> Forecast:
    """Time, memory and records of a plan, from blocks spread over it. Nothing is written.

    Args:
        plan: the plan.
        jobs: processes that would run.
        budget: seconds after which no further block is tried.

    >>> from bandits.experiments import load
    >>> forecast(load("sample_size").plan(seeds=2, sizes=(10, 20)), budget=0.0).problems
    2
    """
    total = len(plan)
    tracemalloc.start()
    try:
        run_block(plan, total // 2)  # which also loads what a first block loads
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    spent, count, text, timed = 0.0, 0, 0, 0
    for index in dict.fromkeys(round(i * (total - 1) / 4) for i in (2, 0, 4, 1, 3)):
        begun = time.perf_counter()
        rows = run_block(plan, index)
        spent, timed = spent + time.perf_counter() - begun, timed + 1
        count, text = count + len(rows), text + sum(len(json.dumps(row)) + 40 for row in rows)
        if spent > budget:
            break
    each = spent / timed
    size = text / timed * total / 1e6
    return Forecast(
        blocks=total,
        problems=plan.seeds * len(plan.points),
        timed=timed,
        seconds=each * total / min(jobs, total),
        megabytes=peak * min(jobs, total) / 1e6 + 8 * size,
        records=round(count / timed * total),
        disk_megabytes=size,
        jobs=jobs,
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
