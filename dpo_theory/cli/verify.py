"""`dpo-theory verify`: prove, certify or measure the claims of the theory."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory verify                      every claim
  dpo-theory verify eq4 E1               by alias or id
  dpo-theory verify -o report.xml        JUnit, for continuous integration
  dpo-theory verify --list               what there is to verify
"""


@dataclass(frozen=True)
class Listing:
    """The claims that there are: (id, aliases, name) each."""

    claims: tuple[tuple[str, tuple[str, ...], str], ...]

    def to_text(self, width: int | None = None) -> str:
        """One claim per line."""
        lines = [(id, name, ", ".join(aliases)) for id, aliases, name in self.claims]
        widest = max((len(id) for id, _, _ in lines), default=0)
        return "".join(f"{id.ljust(widest)}  {name}{f' ({known})' if known else ''}\n" for id, name, known in lines)

    def to_json(self) -> str:
        """By the schema in `dpo_theory.report.schema`."""
        from dpo_theory.report.json import dump
        from dpo_theory.report.schema import CLAIMS, SCHEMA_VERSION

        claims = [{"id": id, "aliases": list(aliases), "name": name} for id, aliases, name in self.claims]
        return dump({"schema": CLAIMS, "schema_version": SCHEMA_VERSION, "claims": claims})


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids or aliases, in any case; every claim by default")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    parser.add_argument("--list", action="store_true", help="list ids, names and aliases (text or json), and run nothing")
    add_output_options(parser, ("text", "json", "junit", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Verify and report. An interruption reports what is done."""
    from dpo_theory.claims import registry

    if args.list:
        args.formats = ("text", "json")
        if args.format not in (None, *args.formats):
            raise ValueError(f"--list has no format {args.format!r}. Pass --format text or json.")
    check_output(args)
    ids = registry.resolve(args.ids) if args.ids else registry.ids()
    if args.list:
        claims = [registry.load(id) for id in ids]
        emit(Listing(tuple((claim.id, tuple(claim.aliases), claim.name) for claim in claims)), args)
        return 0
    return report(ids, args)


def report(ids: tuple[str, ...], args: argparse.Namespace) -> int:
    """Verify these ids, write the report, and return the exit status."""
    from dpo_theory.claims import runner

    try:
        with Progress(sys.stderr) as progress:
            found = runner.verify(ids, seed=args.seed, on_row=progress)
    except runner.Interrupted as interrupted:
        emit(interrupted.report, args)
        print("interrupted", file=sys.stderr)
        return 130
    emit(found, args)
    return found.exit_code


def seed(text: str) -> int:
    """A whole number >= 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed. Pass a whole number >= 0.")
    return int(text)
