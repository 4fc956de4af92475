"""The study `sample_size` on 10,000 problems: 10 sample sizes, DPO, IPO and cDPO, every policy exact, every record kept on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bandits import maximise_value, minimise_loss
from bandits.experiments import load, read_records, sweep
from bandits.experiments.engine.problems import draw_counts, join_problems
from bandits.experiments.engine.problems import split_data as split
from benchmarks.contest import Contest, take_turns
from dpo_theory import DPO
from dpo_theory.predictions.shelf import methods

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
JOBS = 2
_ALONE = "import json, benchmarks.sweep as it; print(json.dumps(it.alone({quick})))"


def plan(quick: bool):
    few = methods(("dpo", "ipo", "cdpo"))
    problems, block = (200, 50) if quick else (10_000, 1000)
    return load("sample_size").plan(methods=few, seeds=problems, block=block, sizes=SIZES, per_pair=(1,), limits=False)


def alone(quick: bool) -> dict[str, float]:
    """Run the sweep once in this process and its workers: seconds from a cold start of the workers, records, and their largest error."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, found = take_turns({"ours": lambda: sweep(plan(quick), directory=folder, jobs=JOBS)}, {"ours": 1})
        kept = read_records(Path(folder) / "sample_size.jsonl")
    assert kept.rows == found["ours"].rows
    samples = [row for row in kept if row["kind"] == "sample"]
    return {"seconds": seconds["ours"], "policies": len(samples), **_checked(quick, samples)}


def _checked(quick: bool, samples: list) -> dict[str, float]:
    """The first problems solved again one at a time: largest difference in regret, largest distance bound."""
    task = plan(quick).task(0)
    shape = {"contexts": 1, "actions": task["actions"], "spread": task["spread"], "skew": 0.5}
    problems = [task.problem(seed, beta=task["beta"], **shape) for seed in task.seeds]
    n = SIZES[3]
    data = split(problems, draw_counts(join_problems(problems), n, task.block_stream(f"data {n}"), per_context=True))
    found = {row["seed"]: row["regret"] for row in samples if row["n"] == n and row["method"] == "dpo"}
    worst, bound = 0.0, 0.0
    for seed, problem, told in list(zip(task.seeds, problems, data, strict=True))[:30]:
        alone = minimise_loss(problem, DPO(task["beta"]), told)
        if alone.status == "optimal":
            regret = problem.value(maximise_value(problem).log_policy) - problem.value(alone.log_policy)
            worst, bound = max(worst, abs(regret - found[seed])), max(bound, alone.certificate.distance_bound)
    return {"error": float(np.float64(worst)), "certified": float(bound)}


def run(quick: bool) -> Contest:
    command = [sys.executable, "-c", _ALONE.format(quick=quick)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(1 if quick else 3)]
    middle = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
    return Contest(
        name="sweep",
        title=f"sweep of {middle['policies']:,} policies: problems x {len(SIZES)} sample sizes x DPO, IPO, cDPO, {JOBS} processes",
        seconds=middle["seconds"],
        repeats=len(runs),
        error=middle["error"],
        certified=middle["certified"],
        peers=(),
        kind="limit",
        floor=15,
        goal=None,
        notes={"policies": middle["policies"], "policies a second": middle["policies"] / middle["seconds"]},
    )
