"""`dpo-theory audit`: the checks themselves on trial."""

from __future__ import annotations

import argparse
import sys

from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress
from dpo_theory.cli.verify import seed

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory audit                       each wrong loss up to the first check that refutes it
  dpo-theory audit --full                every check on every wrong loss
  dpo-theory audit -o audit.xml          JUnit, for continuous integration

The exit status is 0 only when every wrong loss is refuted by the check named for it and no right one is refuted.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("--full", action="store_true", help="ask every check about every wrong loss")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    add_output_options(parser, ("text", "json", "junit", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Try the checks and print the kill matrix."""
    check_output(args)
    from dpo_theory.audit.run import audit

    with Progress(sys.stderr) as progress:
        found = audit(seed=args.seed, full=args.full, on_row=progress)
    emit(found, args)
    return found.exit_code
