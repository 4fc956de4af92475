"""A study that needs no solver, to put the engine on trial."""

import sys
import time

import numpy as np

from bandits.experiments import Study, sweep


def measure(task):
    """One number for each seed, and one that is missing or not finite."""
    time.sleep(task["pause"])
    if task["fails"]:
        raise ValueError(f"block {task.index} cannot be measured")
    for seed in task.seeds:
        odd = (None, np.inf, -np.inf, np.nan)[seed % 4]
        yield {"seed": seed, "scale": task["scale"], "x": task["scale"] * task.stream(seed, "x").normal(), "odd": odd, "pair": (seed, 0.5)}


def draw(records, figure):
    """The mean at each scale."""
    figure.subplots().plot([group.mean for group in records.means("x", "scale")])


TOY = Study(
    name="toy",
    question="Does the engine keep what is done?",
    measures="a normal number",
    measure=measure,
    draw=draw,
    axes={"scale": (1.0, 10.0)},
    settings={"pause": 0.0, "fails": False},
    seeds=40,
    block=2,
    summary=(("scale",), ("x",)),
)

if __name__ == "__main__":
    sweep(TOY.plan(pause=0.005), directory=sys.argv[1], jobs=int(sys.argv[2]))
