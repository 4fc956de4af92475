"""`dpo-theory show`: one claim, its derivation as mathematics, and its evidence."""

from __future__ import annotations

import argparse

from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli.verify import seed

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory show eq4                    on the terminal
  dpo-theory show D04 -o d04.tex         an align* environment, each line tagged with its reason
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("id", metavar="ID", help="id or alias")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    add_output_options(parser, ("text", "latex", "markdown", "json", "html"))


def run(args: argparse.Namespace) -> int:
    """Verify the claim and show it."""
    from dpo_theory.claims import registry

    check_output(args)
    (id,) = registry.resolve([args.id])
    from dpo_theory.claims import runner
    from dpo_theory.report.shown import Shown

    shown = Shown.of(registry.load(id), runner.verify([id], seed=args.seed))
    emit(shown, args)
    return shown.exit_code
