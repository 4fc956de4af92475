"""The command line: one file per command, loaded when it is chosen."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from dpo_theory._version import __version__
from dpo_theory.cli import _stream

__all__ = ["main"]

COMMANDS = {
    "verify": "prove, certify or measure the claims of the theory",
    "check": "check a preference loss: what it owes, and what it does",
    "check-logps": "check a function from logits to sequence log-probabilities: shift, masks, normalisation, precision, gradient",
    "diagnose": "read the log of a training run, and say what its numbers cannot be",
    "identify": "name a loss: which of the library's it is, with its options and convention",
    "compare": "compare two losses: identical, a scale, a different convention, or different",
    "matrix": "losses by properties, every cell decided by a check",
    "audit": "put the checks on trial: wrong losses that must be refuted, right ones that must not",
    "show": "print one claim: its statement, its derivation and its evidence",
    "fit": "fit preference data: what is identified, whether an estimate exists, DPO and RLHF side by side",
    "lm": "the same claims and checks on language models, over all of their completions",
    "bandit": "run a study on tabular bandits, and judge what theory predicts about it",
    "new-test": "write a pytest file for a loss, for a repository of your own",
    "schema": "print the JSON Schema of everything that is printed as JSON",
}

EXAMPLES = """\
examples:
  dpo-theory verify                          every claim
  dpo-theory verify eq4 E1 -o report.html    two claims, by alias and by id, to a page
  dpo-theory verify --list                   ids, aliases and names
  dpo-theory show D04 --format latex         a derivation, ready to paste
  dpo-theory check losses.py:my_loss         a loss of your own

exit status:
  0  every verdict is as expected       2  wrong usage or bad input      130  interrupted
  1  some verdict is not as expected    3  nothing ran
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit status: 0 as expected, 1 not as expected, 2 bad input, 3 nothing ran, 130 interrupted.

    Raises:
        SystemExit: wrong usage (2), `--help` or `--version` (0), as argparse does.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    name = next((word for word in arguments if not word.startswith("-")), None)
    _stream.stand_in_for_a_closed_stream()
    _stream.survive_encoding(sys.stdout, sys.stderr)
    with _stream.quiet_when_the_reader_leaves():
        parser, commands = _parser()
        if name is None and not arguments:
            parser.print_help(sys.stderr)
            return 2
        if name is not None and name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            known = f"Did you mean {near[0]!r}?" if near else f"The commands are {', '.join(COMMANDS)}."
            parser.error(f"there is no command {name!r}. {known}")
        return _run(name, parser, commands, arguments)
    return 0


def _run(name: str | None, parser: argparse.ArgumentParser, commands: dict[str, argparse.ArgumentParser], arguments: list[str]) -> int:
    try:
        if name is None:
            parser.parse_args(arguments)
            parser.error("no command was given. `dpo-theory --help` lists them.")
        command = import_module(f"dpo_theory.cli.{name.replace('-', '_')}")
        command.configure(commands[name])
        return int(command.run(parser.parse_args(arguments)))
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        if isinstance(error, OSError):
            _stream.discard_output()
        print(f"dpo-theory {name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="dpo-theory",
        description="Proves, certifies or measures the mathematics of preference optimisation, and says which of the three.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dpo-theory {__version__}")
    chosen = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    commands = {
        name: chosen.add_parser(
            name, help=said, description=said[0].upper() + said[1:] + ".", allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for name, said in COMMANDS.items()
    }  # fmt: skip
    return parser, commands
