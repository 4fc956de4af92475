"""`dpo-theory fit`: strengths, the DPO optimum and the RLHF optimum of a file of preferences, or why there are none."""

from __future__ import annotations

import argparse

from dpo_theory.cli._output import add_output_options, check_output, emit

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory fit --example baseball --beta 0.5
  dpo-theory fit votes.csv --pool --ties half                              left, right, winner
  dpo-theory fit pairs.jsonl --chosen better --rejected worse              columns by name
  dpo-theory fit races.csv --group race --item driver --drop-undetermined  a row for each place
  dpo-theory fit ballots.csv --wide first,second,third --count count       a row for each ranking

A column is found by its usual name or named by its option. With a prompt column each prompt is a context.
"""
ROLES = {
    "prompt": "the context; each prompt is fitted apart",
    "chosen": "the item preferred",
    "rejected": "the item it was preferred to",
    "left": "one item",
    "right": "the other item",
    "winner": "left, right, tie, or the name of the item that won",
    "group": "which ranking a row belongs to",
    "position": "the place of the item, 1 is best",
    "item": "the item ranked",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", nargs="?", metavar="FILE", help="CSV (.csv, .tsv) or JSON lines (.jsonl)")
    parser.add_argument("--example", metavar="NAME", help="a classic table instead of a file: baseball, journals")
    parser.add_argument("--beta", type=float, default=0.1, metavar="B", help="reward per nat (default 0.1)")
    parser.add_argument(
        "--reference", metavar="R", help="uniform (default), counts, declining (default of the examples), or a file: item, probability"
    )
    parser.add_argument("--base", metavar="ITEM", help="the item of strength 0 (default: the one compared most often)")
    parser.add_argument("--ties", choices=("drop", "half", "davidson"), default="drop", help="what a tie counts (default: drop)")
    parser.add_argument("--pool", action="store_true", help="merge all prompts into one context")
    parser.add_argument("--drop-undetermined", action="store_true", help="keep the largest strongly connected component")
    parser.add_argument("--precision", type=float, metavar="SE", help="how many more comparisons bring every standard error to SE")
    parser.add_argument("--plot", metavar="FILE", help="draw strengths with intervals (.png, .pdf, .svg)")
    columns = parser.add_argument_group("columns")
    for role, said in ROLES.items():
        columns.add_argument(f"--{role}", metavar="NAME", help=said)
    columns.add_argument("--wide", metavar="NAMES", help="columns of a ranking, best first, separated by commas")
    columns.add_argument("--weight", "--count", dest="weight", metavar="NAME", help="how often each row was seen")
    add_output_options(parser, ("text", "json", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Fit and show; that no estimate exists is an answer, not an error."""
    check_output(args)
    if (args.file is None) == (args.example is None):
        raise ValueError("expected a FILE or --example NAME, one of the two.")
    from dpo_theory.fitting import fit

    if args.plot is not None:
        from dpo_theory.fitting.plot import require_picture

        require_picture(args.plot)
    found = fit(
        args.file,
        example=args.example,
        beta=args.beta,
        reference=args.reference,
        base=args.base,
        ties=args.ties,
        pool=args.pool,
        drop_undetermined=args.drop_undetermined,
        precision=args.precision,
        wide=() if args.wide is None else tuple(args.wide.split(",")),
        weight=args.weight,
        **{role: getattr(args, role) for role in ROLES},
    )
    emit(found, args)
    if args.plot is not None:
        found.plot(args.plot)
    return 0
