"""`dpo-theory new-test`: a pytest file for a repository of one's own."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

from dpo_theory.cli import _target
from dpo_theory.cli.check import _names

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory new-test losses.py:my_loss                      writes test_my_loss.py
  dpo-theory new-test package.module:MyLoss --spec 'IPO(tau=0.1)' --param tau=0.1 --out tests/test_ipo.py
  dpo-theory new-test 'trl:ipo(beta=0.2)'                    the installed TRL, in your own CI

The file is written once and never overwritten; it is yours to edit. It runs under pytest.
"""

HEAD = '''"""What {shown} owes, and what it does. Run with pytest; the checks come from dpo-theory."""

'''


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", metavar="TARGET", help="FILE.py:NAME, module:NAME, a loss of the library, or trl:NAME")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="an option of TARGET, a Python literal")
    parser.add_argument("--spec", metavar="LOSS", help="the loss that TARGET is meant to be, such as 'DPO(beta=0.3)'")
    parser.add_argument("--has", action="append", metavar="NAMES", help="properties declared present, by commas")
    parser.add_argument("--lacks", action="append", metavar="NAMES", help="properties declared absent, by commas")
    parser.add_argument("--out", metavar="FILE", help="where to write (default test_NAME.py here)")


def run(args: argparse.Namespace) -> int:
    """Write the file, once the target is known to load."""
    from dpo_theory.checks import registry

    has, lacks = _names(args.has), _names(args.lacks)
    registry.require((*(has or ()), *(lacks or ())), "property")
    found, said = _target.load(args.target)
    options = {**said, **_target.literals(args.param)}
    _target.prepared(found, options)
    if args.spec is not None:
        _target.prepared(*_target.load(args.spec))
    place = Path(args.out or f"test_{_stem(args.target)}.py")
    if place.exists():
        raise ValueError(f"{place} exists, and is not overwritten. Pass --out with another name, or move it.")
    if not place.resolve().parent.is_dir():
        raise ValueError(f"cannot write {place}: there is no folder {place.resolve().parent}. Create it first.")
    place.write_text(text(args.target, options, place, spec=args.spec, has=has, lacks=lacks), encoding="utf-8")
    print(f"written to {place}; run it with: pytest {place}", file=sys.stderr)
    return 0


def text(target: str, options: dict[str, Any], place: Path, *, spec: str | None = None, has: Any = None, lacks: Any = None) -> str:
    """The file.

    Args:
        target: as on the command line.
        options: of the target, those in its brackets and those of --param.
        place: where it is written; files are found relative to it.
        spec: a loss of the library, with its options.
        has, lacks: declared properties.
    """
    imports, making, loss = _making(target, options, place)
    imports = sorted({*imports, "from dpo_theory.testing import parametrize_with_checks"})
    declared = [f"{name}={list(names)!r}" for name, names in (("has", has), ("lacks", lacks)) if names]
    if spec is not None:
        _, _, inside = spec.partition("(")
        cls = type(_target.prepared(*_target.load(spec))).__name__
        imports.append(f"from dpo_theory import {cls}")
        declared.insert(0, f"spec={cls}({inside or ')'}")
    head = HEAD.format(shown=target.replace("\\", "/").replace('"', "'"))
    standard = sorted((line for line in imports if line.split()[1].partition(".")[0] in sys.stdlib_module_names), key=_order)
    others = sorted(set(imports) - set(standard), key=_order)
    blocks = ["\n".join(block) for block in (standard, others) if block]
    arguments = ", ".join([loss, *declared])
    body = f"@parametrize_with_checks({arguments})\ndef test_{_stem(target)}(check):\n    check()\n"
    return head + "\n\n".join([*blocks, *([making] if making else [])]) + "\n\n\n" + body


def _order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _making(target: str, options: dict[str, Any], place: Path) -> tuple[list[str], str, str]:
    """Imports, lines before the test, and the loss as an expression."""
    library = target.partition(":")[0]
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    if library in _target.INSTALLED:
        name = target.partition(":")[2].partition("(")[0]
        call = f"adapters.{library}({', '.join(filter(None, [repr(name), given]))})"
        lines = (
            f"try:\n    LOSS = {call}\nexcept adapters.MissingLibrary as missing:\n    pytest.skip(str(missing), allow_module_level=True)"
        )
        return ["import pytest", "from dpo_theory import adapters"], lines, "LOSS"
    file, colon, name = target.rpartition(":")
    if not colon or "(" in target:
        cls = type(_target.prepared(*_target.load(target))).__name__
        return [f"from dpo_theory import {cls}"], "", f"{cls}({given})"
    loss = name.partition(".")[0]
    if file.endswith(".py") or os.sep in file:
        relative = Path(os.path.relpath(Path(file).resolve().parent, place.resolve().parent)).as_posix()
        here = "Path(__file__).resolve().parent" + (f' / "{relative}"' if relative != "." else "")
        making = f"sys.path.insert(0, str({here}))\nfrom {Path(file).stem} import {loss}  # noqa: E402"
        imports = ["import sys", "from pathlib import Path"]
    else:
        making, imports = "", [f"from {file} import {loss}"]
    return imports, making, _expression(target, name, given, imports)


def _expression(target: str, name: str, given: str, imports: list[str]) -> str:
    """A class is constructed, a function keeps its options."""
    found, _ = _target.load(target)
    if isinstance(found, type):
        return f"{name}({given})"
    if given:
        imports.append("import functools")
        return f"functools.partial({name}, {given})"
    return name


def _stem(target: str) -> str:
    """A name for the file and the test."""
    last = target.partition("(")[0]
    last = last if last.partition(":")[0] in _target.INSTALLED else last.rpartition(":")[2]
    return re.sub(r"\W+", "_", last).strip("_").lower() or "loss"
