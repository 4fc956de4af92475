"""Ten million comparisons in a CSV file: how long `dpo-theory fit` takes, and how much memory. `python -m benchmarks.read_csv`.

The rows are drawn from known strengths and written to a temporary file; writing is not timed. The command runs in a process of
its own, so that its memory is its own. Printed as JSON: seconds, peak memory, and how far the fit is from the strengths drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.contest import machine

ROWS = 10_000_000
ITEMS = 50
BLOCK = 1_000_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read_csv", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"rows of the file (default {ROWS:,})")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder) / "comparisons.csv", Path(folder) / "fit.json"
        strength = write(source, options.rows)
        before = time.perf_counter()
        status, peak = fit(source, answer)
        seconds = time.perf_counter() - before
        if status:
            return status
        found, size = json.loads(answer.read_text()), source.stat().st_size
    row = {item["item"]: item for item in found["contexts"][0]["items"]}
    against = strength - strength[int(found["contexts"][0]["base"].removeprefix("item "))]
    apart = [abs(row[f"item {i}"]["strength"] - against[i]) for i in range(ITEMS)]
    errors = [row[f"item {i}"]["standard_error"] for i in range(ITEMS)]
    told = {
        "rows": found["rows_read"],
        "bytes": size,
        "seconds": round(seconds, 2),
        "rows_per_second": round(options.rows / seconds),
        "peak_memory_mb": round(peak / 2**20),
        "largest_error": max(apart),
        "largest_standard_error": max(errors),
        "distance_dpo_to_rlhf": found["distance"],
        "machine": machine(),
    }
    print(json.dumps(told, indent=2, allow_nan=False))
    return 0


def write(path: Path, rows: int) -> np.ndarray:
    """Write Bradley-Terry comparisons of random pairs; the strengths they were drawn from."""
    rng = np.random.default_rng(10)
    strength = rng.normal(size=ITEMS)
    names = np.array([f"item {number}" for number in range(ITEMS)])
    with path.open("w", encoding="utf-8") as file:
        file.write("chosen,rejected\n")
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            first = rng.integers(0, ITEMS, count)
            second = (first + rng.integers(1, ITEMS, count)) % ITEMS
            won = rng.random(count) < 1 / (1 + np.exp(strength[second] - strength[first]))
            pairs = zip(names[np.where(won, first, second)], names[np.where(won, second, first)], strict=True)
            file.writelines(f"{chosen},{rejected}\n" for chosen, rejected in pairs)
    return strength


def fit(source: Path, answer: Path) -> tuple[int, int]:
    """Exit status of the command and its peak memory in bytes."""
    command = [sys.executable, "-m", "dpo_theory", "fit", str(source), "-o", str(answer)]
    process = os.posix_spawn(sys.executable, command, os.environ)
    _, status, used = os.wait4(process, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * unit


if __name__ == "__main__":
    sys.exit(main())
