"""Studies that were run once for all tests of a process."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from bandits.experiments import sweep
from dpo_theory import predictions

LESS = {
    "misspecification": {"weights": (0.3, 0.9)},
    "label_noise": {"rates": (0.1, 0.3), "draws": 1},
    "deterministic": {"betas": (0.5,), "clock": (0.0, 1.0, 10.0), "curve": (0.2, 5.0)},
    "frontier": {"betas": (0.3,), "curve": (0.1, 1.0, 10.0)},
    "gap": {"sizes": (300,), "steps": (0, 3)},
    "generalisation": {"sizes": (100,)},
    "sample_size": {"per_pair": (1, 3), "sizes": (10, 100)},
}  # settings that make a plan small, where the usual ones are large


@cache
def ran(name: str, **values):
    """(study, records, report) of a study with its prediction's methods; values as for `Study.plan`, hashable."""
    prediction = predictions.load(name)
    records = sweep(prediction.plan(**values))
    return predictions.study(name), records, predictions.judge(prediction, records)


@cache
def small(name: str):
    """(plan, records, file) of a study on at most three seeds, two to a block, and its settings in LESS."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    plan = predictions.load(name).plan(seeds=min(predictions.study(name).seeds, 3), block=2, **LESS.get(name, {}))
    return plan, sweep(plan, directory=folder), folder / f"{name}.jsonl"
