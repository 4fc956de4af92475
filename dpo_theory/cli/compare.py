"""`dpo-theory compare`: how two losses differ, in this interpreter or in two others."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from dpo_theory.cli import _target
from dpo_theory.cli._output import add_output_options, check_output, emit

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory compare losses.py:mine 'DPO(beta=0.1)'
  dpo-theory compare trl:ipo openrlhf:DPOLoss --param-b ipo=True
  dpo-theory compare trl:sigmoid trl:sigmoid --python-a old/bin/python --python-b new/bin/python

An interpreter that is named needs NumPy, SciPy, SymPy and torch; this package is put on its path.
The exit status is 0 where the losses are identical and 1 where they are not; `relation` says which.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    for letter in "ab":
        parser.add_argument(letter, metavar=letter.upper(), help="FILE.py:NAME, module:NAME, or a loss of the library")
    for letter in "ab":
        told = f"an option of {letter.upper()}, a Python literal"
        parser.add_argument(f"--param-{letter}", action="append", default=[], metavar="NAME=VALUE", help=told)
        parser.add_argument(f"--python-{letter}", metavar="PATH", help=f"the interpreter that evaluates {letter.upper()}")
    parser.add_argument("--style", choices=("pairs", "logps", "logps-no-reference"), help="how both are called, where that is unclear")
    add_output_options(parser, ("text", "json"))


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    check_output(args)
    from dpo_theory.identify import compare

    with contextlib.ExitStack() as stack, contextlib.redirect_stdout(sys.stderr):
        sides = [_side(stack, getattr(args, x), getattr(args, f"param_{x}"), getattr(args, f"python_{x}"), args.style) for x in "ab"]
        found = compare(*sides, style=args.style)
    emit(found, args)
    return found.exit_code


def _side(stack: contextlib.ExitStack, target: str, params: list[str], python: str | None, style: str | None) -> Any:
    if python is not None:
        from dpo_theory.cli._remote import Remote

        return stack.enter_context(Remote(python, target, params, style))
    found, said = _target.load(target)
    loss = _target.prepared(found, {**said, **_target.literals(params)})
    from dpo_theory.identify.box import box

    return box(loss, style=style, name=target.rpartition(":")[2] if "<lambda>" in repr(loss) else None)
