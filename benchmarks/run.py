"""Run all workloads or the named ones: `python -m benchmarks.run [--quick] [NAME ...]`; results go to benchmarks/results.json."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.contest import machine

WORKLOADS = (
    "raw_list",
    "five_thousand",
    "hundred_thousand",
    "many_contexts",
    "ranked",
    "chain",
    "any_loss",
    "rlhf",
    "sweep",
    "log_probs",
    "lm_scoring",
)
RESULTS = Path(__file__).with_name("results.json")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs; nothing is written unless -o is given")
    parser.add_argument("-o", "--output", type=Path, help="where the JSON goes")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(WORKLOADS))
    if unknown:
        parser.error(f"unknown workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    output = options.output or (None if options.quick else RESULTS)
    known = json.loads(output.read_text())["workloads"] if output and output.exists() else {}
    here = machine()
    for name in options.names or WORKLOADS:
        outcome = import_module(f"benchmarks.{name}").run(options.quick)
        sense = {"faster": "x faster than", "slower": "x slower than", "limit": "s, alone"}[outcome.kind]
        best = outcome.best.name if outcome.best else ""
        print(f"{name}: {outcome.seconds:.3f} s, {outcome.figure:.3g} {sense} {best}".rstrip(), flush=True)
        known[name] = {**outcome.record(), "quick": options.quick, "machine": here}
        if output:
            ordered = {key: known[key] for key in WORKLOADS if key in known}
            output.write_text(json.dumps({"workloads": ordered}, indent=2, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
