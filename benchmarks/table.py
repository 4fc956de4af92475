"""The README's generated tables, each written between its markers: `python -m benchmarks.table [--check]`.

benchmarks comes from results.json, installed from installed_losses.md, claims from a run of `verify`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["begin", "claims_table", "end", "installed_table", "table", "with_table"]

ROOT = Path(__file__).resolve().parents[1]


def begin(name: str) -> str:
    """The line before a generated table."""
    return f"<!-- {name}: begin -->"


def end(name: str) -> str:
    """The line after a generated table."""
    return f"<!-- {name}: end -->"


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


def claims_table(verdicts: Mapping[str, tuple[str, str]]) -> str:
    """Markdown of every claim of the registry.

    Args:
        verdicts: id -> (verdict, sizes).
    """
    from dpo_theory.claims import registry

    lines = ["| id | claim | verdict | for |", "|---|---|---|---|"]
    for claim in map(registry.load, registry.ids()):
        verdict, sizes = verdicts[claim.id]
        expected = ", as expected" if claim.expects == "refuted" else ""
        lines.append(f"| {claim.id} | {claim.name} | {verdict}{expected} | {sizes} |")
    return "\n".join(lines)


def installed_table(document: str) -> str:
    """The versions and the first table of benchmarks/installed_losses.md."""
    versions = next(line for line in document.splitlines() if line.startswith("Versions:"))
    rows = re.search(r"(?:^\|.*\n)+", document, re.M)
    assert rows is not None
    return f"{rows.group(0)}\n{versions}"


def with_table(text: str, name: str, table: str) -> str:
    """The text with its part between the markers replaced.

    Raises:
        ValueError: the markers are missing.
    """
    first, last = begin(name), end(name)
    if first not in text or last not in text:
        raise ValueError(f"README.md has no {first} ... {last}. Put the two markers where the table belongs.")
    before, rest = text.split(first, 1)
    return f"{before}{first}\n{table}\n{last}{rest.split(last, 1)[1]}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if the README differs, and change nothing")
    options = parser.parse_args(arguments)
    from dpo_theory.claims.runner import verify

    here = ROOT / "benchmarks"
    verdicts = {row.id: (row.verdict.value, row.sizes) for row in verify()}
    readme = ROOT / "README.md"
    text = wanted = readme.read_text(encoding="utf-8")
    wanted = with_table(wanted, "benchmarks", table(json.loads((here / "results.json").read_text())))
    wanted = with_table(wanted, "installed", installed_table((here / "installed_losses.md").read_text(encoding="utf-8")))
    wanted = with_table(wanted, "claims", claims_table(verdicts))
    if options.check:
        return int(wanted != text)
    readme.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
