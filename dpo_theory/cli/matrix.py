"""`dpo-theory matrix`: losses by properties, every cell decided by a check."""

from __future__ import annotations

import argparse
import difflib
import sys

from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress
from dpo_theory.cli.verify import seed

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory matrix DPO IPO CDPO         three losses, with the evidence of every cell
  dpo-theory matrix --jobs 2 -o matrix.md
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("losses", nargs="*", metavar="LOSS", help="labels of losses of the library; every one by default")
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    add_output_options(parser, ("text", "json", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Ask and show."""
    from dpo_theory.matrix.rows import named, standard
    from dpo_theory.matrix.run import matrix

    check_output(args)
    labels = [row.label for row in standard()]
    known = {label.lower() for label in labels}
    for wanted in args.losses:
        if wanted.lower() not in known:
            near = difflib.get_close_matches(wanted, labels, n=3, cutoff=0.4)
            raise ValueError(f"there is no loss {wanted!r} in the matrix. " + (f"Nearest: {', '.join(near)}." if near else ""))
    with Progress(sys.stderr) as progress:
        found = matrix(
            named(args.losses) if args.losses else None,
            jobs=args.jobs,
            seed=args.seed,
            on_line=lambda line, done, of: progress.show(line.label, done, of),
        )
    emit(found, args)
    return 0


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes. Pass a whole number >= 1.")
    return int(text)
