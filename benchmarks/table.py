"""The README's table, written between its markers from benchmarks/results.json: `python -m benchmarks.table [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["BEGIN", "END", "table", "with_table"]

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def table(results: dict[str, Any]) -> str:
    """Markdown of the results of a run."""
    lines = ["| problem | ours | error, nats | the best other | ratio | asked |", "|---|---|---|---|---|---|"]
    for one in results["workloads"].values():
        best = next((peer for peer in one["peers"] if peer["name"] == one["best"]), None)
        other = "" if best is None else f"{best['name']}, {_seconds(best['seconds'])}"
        ratio, asked = _compared(one)
        lines.append(f"| {one['title']} | {_seconds(one['seconds'])} | {one['error']:.0e} | {other} | {ratio} | {asked} |")
    first = next(iter(results["workloads"].values()))["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in first["packages"].items() if number)
    lines += [
        "",
        f"Medians, in turns within one process; {first['cores']} cores of {first['processor']}, Python {first['python']}, {packages}.",
    ]
    return "\n".join(lines)


def _compared(one: dict[str, Any]) -> tuple[str, str]:
    if one["kind"] == "limit":
        return "", f"under {one['floor']:g} s: {'yes' if one['reached'] else 'no'}"
    if one["kind"] == "slower":
        return f"{one['figure']:.2g} times slower", f"at most {one['floor']:g}: {'yes' if one['reached'] else 'no'}"
    return f"{one['figure']:.2g} times faster", f"{one['floor']:g}: {'yes' if one['reached'] else 'not reached'}"


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value >= 1 else f"{1000 * value:.2g} ms"


def with_table(text: str, results: dict[str, Any]) -> str:
    """The text with its part between the markers replaced.

    Raises:
        ValueError: the markers are missing.
    """
    if BEGIN not in text or END not in text:
        raise ValueError(f"README.md has no {BEGIN} ... {END}. Put the two markers where the table belongs.")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if the README differs, and change nothing")
    options = parser.parse_args(arguments)
    readme = ROOT / "README.md"
    text = readme.read_text()
    wanted = with_table(text, json.loads((ROOT / "benchmarks" / "results.json").read_text()))
    if options.check:
        return int(wanted != text)
    readme.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
