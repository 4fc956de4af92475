"""Writes benchmarks/installed_losses.md: what the checks find in the preference losses of the installed libraries.

Run: python benchmarks/installed_losses.py            writes the document
     python benchmarks/installed_losses.py --print    prints it
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dpo_theory import adapters
from dpo_theory.adapters import shown
from dpo_theory.adapters.conventions import namesakes, relation
from dpo_theory.adapters.table import Table, table
from dpo_theory.report import markdown as md

DOCUMENT = Path(__file__).with_suffix(".md")
LIBRARIES = ("trl", "torchtune", "openrlhf")

HEAD = """# What the checks find in installed preference losses

Every loss below is the installed library's own code, evaluated on plain log-probabilities, with the library's default options where it
accepts them. A finding says that code and contract differ; it does not say that the authors meant otherwise, and much of it is documented
by them or deliberate. Each can be repeated without this package: `dpo-theory check LOSS` prints the code, and so does
`dpo-theory check 'trl:*' --format markdown`.
"""


def written(tables: list[Table]) -> str:
    """The document.

    Args:
        tables: one for each library.
    """
    versions = ", ".join(f"{name} {version}" for name, version in _versions(tables).items())
    told = [HEAD, f"Versions: {versions}."]
    told += [shown.markdown(one, code=False, seconds=False).rstrip() for one in tables]
    told += ["## One name, several conventions", conventions(tables)]
    return "\n\n".join(part.strip("\n") for part in told) + "\n"


def conventions(tables: list[Table]) -> str:
    """How losses of one name stand to each other, with the first pair on which they differ."""
    losses = [adapters.load(one.library, name) for one in tables for name in _at_defaults(one)]
    losses += [adapters.openrlhf("DPOLoss", beta=0.1, ipo=True)] if any(one.library == "openrlhf" for one in tables) else []
    losses = [loss.replace(cpo_alpha=0.0) if "cpo_alpha" in loss.options else loss for loss in losses]
    return "\n".join(f"- {md.escape(str(relation(one, other)))}" for one, other in namesakes(losses))


def _at_defaults(one: Table) -> list[str]:
    return [row.loss.partition(":")[2].partition("(")[0] for row in one.rows if row.report is not None and not row.needs]


def _versions(tables: list[Table]) -> dict[str, str]:
    environment = tables[0].environment
    return {**{one.library: one.version for one in tables}, **{name: environment[name] for name in ("torch", "numpy", "python")}}


def main() -> int:
    """Write or print the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print it instead")
    args = parser.parse_args()
    text = written([table(library) for library in LIBRARIES])
    if args.print:
        sys.stdout.write(text)
    else:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"written to {DOCUMENT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
