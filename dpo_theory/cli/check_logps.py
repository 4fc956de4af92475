"""`dpo-theory check-logps`: is a function from logits to sequence log-probabilities right?"""

from __future__ import annotations

import argparse
import contextlib
import sys

from dpo_theory.cli import _target
from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress
from dpo_theory.cli.check import Listing
from dpo_theory.cli.verify import seed

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory check-logps train.py:get_batch_logps                      what is wrong with it, if anything
  dpo-theory check-logps train.py:get_batch_logps --normalise mean     it is meant to be the mean per token
  dpo-theory check-logps package.module:logps --param average=True -o report.html
  dpo-theory check-logps --list                                        what is checked

TARGET is fn(logits (B, T, V), input_ids (B, T), attention_mask (B, T), completion_mask (B, T)) -> (B,), or fn(logits, labels) with
ignored labels -100; the shift by one is its own work. Its code is run.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", nargs="?", metavar="TARGET", help="FILE.py:NAME or module:NAME")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="an option of TARGET, a Python literal")
    parser.add_argument("--normalise", choices=("sum", "mean"), help="what is meant; by default either, and the report says which")
    parser.add_argument("--style", choices=("masks", "labels"), help="how TARGET is called, where its signature does not tell")
    parser.add_argument("--only", action="append", metavar="NAMES", help="run these checks only, by commas")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    parser.add_argument("--list", action="store_true", help="list the checks (text or json), and run nothing")
    add_output_options(parser, ("text", "json", "junit", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Check and report."""
    check_output(args)
    if args.list:
        return _list(args)
    if args.target is None:
        raise ValueError("no TARGET. Pass FILE.py:NAME or module:NAME; --list lists the checks.")
    from dpo_theory.sequences.runner import check_sequence_logps

    only = None if args.only is None else [name.strip() for text in args.only for name in text.split(",") if name.strip()]
    with contextlib.redirect_stdout(sys.stderr):
        found, said = _target.load(args.target)
        function = _target.prepared(found, {**said, **_target.literals(args.param)})
        with Progress(sys.stderr) as progress:
            report = check_sequence_logps(function, seed=args.seed, normalise=args.normalise, style=args.style, only=only, on_row=progress)
    emit(report, args)
    return report.exit_code


def _list(args: argparse.Namespace) -> int:
    if args.format not in (None, "text", "json"):
        raise ValueError(f"--list has no format {args.format!r}. Pass --format text or json.")
    from dpo_theory.sequences.runner import CHECKS

    emit(Listing(tuple((check.name, check.kind, check.statement.splitlines()[0].rstrip(".")) for check in CHECKS)), args)
    return 0
