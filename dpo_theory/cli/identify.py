"""`dpo-theory identify`: which loss of the library a black box is."""

from __future__ import annotations

import argparse
import contextlib
import sys

from dpo_theory.cli import _target
from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory identify losses.py:my_loss                  its name, options and convention
  dpo-theory identify trl:ipo                            a loss of an installed library
  dpo-theory identify losses.py:my_loss --format json

Scales and additive constants are fitted for every loss, a shift and a stretch of the margin for losses that are functions of it.
The exit status is 0 where the loss has a name and 1 where none is known.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", metavar="TARGET", help="FILE.py:NAME, module:NAME, or a loss of the library")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="an option of TARGET, a Python literal")
    parser.add_argument("--style", choices=("pairs", "logps", "logps-no-reference"), help="how TARGET is called, where that is unclear")
    add_output_options(parser, ("text", "json"))


def run(args: argparse.Namespace) -> int:
    """Identify and print."""
    check_output(args)
    with Progress(sys.stderr) as progress, contextlib.redirect_stdout(sys.stderr):
        found, said = _target.load(args.target)
        loss = _target.prepared(found, {**said, **_target.literals(args.param)})
        from dpo_theory.identify import identify
        from dpo_theory.identify.family import families

        def show(family: str, tried: int) -> None:
            progress.show(family, tried, max(tried, len(families())))

        shown = args.target.rpartition(":")[2] if "<lambda>" in repr(loss) else None
        named = identify(loss, style=args.style, name=shown, on_fit=show)
    emit(named, args)
    return 0 if named.known else 1
