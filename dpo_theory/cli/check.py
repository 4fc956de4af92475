"""`dpo-theory check`: what a preference loss owes, and what it does."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpo_theory.cli import _baseline, _target
from dpo_theory.cli._output import add_output_options, check_output, emit
from dpo_theory.cli._progress import Progress
from dpo_theory.cli.verify import seed

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory check losses.py:my_loss                           everything there is to know
  dpo-theory check losses.py:my_loss --spec dpo --beta 0.1     is it DPO, with this beta?
  dpo-theory check losses.py:MyLoss --param beta=0.3 --has convex,monotone
  dpo-theory check package.module:loss -o report.xml --baseline known.json
  dpo-theory check DPO --only bt-proper,flip-robust            a loss of the library
  dpo-theory check 'trl:ipo(beta=0.2)'                         a loss of the installed TRL, torchtune or OpenRLHF, by its own code
  dpo-theory check 'trl:*' -o trl.html                         every loss of the installed TRL
  dpo-theory check --list                                      what is checked

The target's code is run. The report fails when the contract is refuted, a property declared present is refuted, or one declared
absent holds; properties that nobody declared are reported, with the witness where the loss lacks them.
"""


@dataclass(frozen=True)
class Listing:
    """The checks that there are: (id, kind, name) each."""

    checks: tuple[tuple[str, str, str], ...]

    def to_text(self, width: int | None = None) -> str:
        """One check per line."""
        widest = max(len(id) for id, _, _ in self.checks)
        return "".join(f"{id.ljust(widest)}  {kind.ljust(8)}  {name}\n" for id, kind, name in self.checks)

    def to_json(self) -> str:
        """By the schema in `dpo_theory.report.schema`."""
        from dpo_theory.report.json import dump
        from dpo_theory.report.schema import CHECKS, SCHEMA_VERSION

        checks = [{"id": id, "kind": kind, "name": name} for id, kind, name in self.checks]
        return dump({"schema": CHECKS, "schema_version": SCHEMA_VERSION, "checks": checks})


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", nargs="?", metavar="TARGET", help="FILE.py:NAME, module:NAME, a loss of the library, or trl:NAME")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="an option of TARGET, a Python literal")
    parser.add_argument("--spec", metavar="LOSS", help="the loss that TARGET is meant to be, such as 'DPO(beta=0.3)'")
    parser.add_argument("--beta", type=float, metavar="B", help="beta of --spec, and of a TARGET that requires one; else --param beta=B")
    parser.add_argument("--has", action="append", metavar="NAMES", help="properties declared present, by commas")
    parser.add_argument("--lacks", action="append", metavar="NAMES", help="properties declared absent, by commas")
    parser.add_argument("--only", action="append", metavar="NAMES", help="run these checks only, by commas")
    parser.add_argument("--style", choices=("pairs", "logps", "logps-no-reference"), help="how TARGET is called, where that is unclear")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the seed of all randomness (default 0)")
    parser.add_argument("--deep", action="store_true", help="also the slow checks")
    parser.add_argument("--baseline", metavar="FILE", help="known findings, which do not fail: a baseline or a JSON report")
    parser.add_argument("--write-baseline", metavar="FILE", help="write what is found to FILE, as known from now on")
    parser.add_argument("--list", action="store_true", help="list the checks (text or json), and run nothing")
    add_output_options(parser, ("text", "json", "junit", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Check and report. An interruption reports what is done."""
    from dpo_theory.checks import registry

    has, lacks, only = _names(args.has), _names(args.lacks), _names(args.only)
    registry.require((*(has or ()), *(lacks or ())), "property")
    registry.require(only or ())
    if args.list:
        return _list(only, args)
    if args.target is None:
        raise ValueError("no TARGET. Pass FILE.py:NAME, module:NAME or a loss of the library; --list lists the checks.")
    check_output(args)
    if args.target.endswith(":*"):
        return _every(args, only)
    target = _document_at(args.write_baseline)
    baseline = _baseline.read(args.baseline) if args.baseline else None
    from dpo_theory.adapters.adapted import InternalsChanged

    try:
        loss, spec = _loss_and_spec(args)
    except InternalsChanged as changed:
        emit(_skipped(args.target, str(changed)), args)
        return 3
    ordered = None if only is None else tuple(name for name in registry.names() if name in only)
    asked = {"spec": spec, "has": has, "lacks": lacks, "only": ordered, "seed": args.seed, "deep": args.deep, "style": args.style}
    report, interrupted = _report(loss, asked)
    report = dataclasses.replace(report, replay=_again(args))
    if "<lambda>" in report.subject:
        report = dataclasses.replace(report, subject=report.subject.replace("<lambda>", args.target.rpartition(":")[2]))
    if target is not None and not interrupted:
        written = _baseline.Baseline.of(report)
        emit(written, target)
        baseline = _baseline.Baseline(written.known, written.subject, args.write_baseline)
    if baseline is not None:
        report, said = _baseline.against(report, baseline)
        print(said, file=sys.stderr)
    emit(report, args)
    if interrupted:
        print("interrupted", file=sys.stderr)
    return 130 if interrupted else report.exit_code


def _again(args: argparse.Namespace) -> str:
    """The command that runs one row again; `{id}` stands for its id."""
    said = ["dpo-theory", "check", args.target]
    for option in ("spec", "beta", "style"):
        said += [f"--{option}", str(getattr(args, option))] if getattr(args, option) is not None else []
    for option in ("param", "has", "lacks"):
        said += [word for value in getattr(args, option) or () for word in (f"--{option}", value)]
    said += ["--deep"] if args.deep else []
    return shlex.join([*said, "--seed", str(args.seed)]) + " --only {id}"


def _every(args: argparse.Namespace, only: tuple[str, ...] | None) -> int:
    """All losses of an installed library."""
    from dpo_theory.adapters.table import table

    refused = [name for name in ("has", "lacks", "spec", "beta", "style", "param", "baseline", "write_baseline") if getattr(args, name)]
    if refused:
        raise ValueError(f"--{refused[0].replace('_', '-')} speaks of one loss, and {args.target} is all. Name one loss, or leave it out.")
    library, _ = _target.load(args.target)
    if not isinstance(library, _target.InLibrary):
        raise ValueError(f"{args.target}: only an installed library has all its losses: {', '.join(f'{n}:*' for n in _target.INSTALLED)}.")
    if args.format == "junit":
        raise ValueError(f"{args.target} has no format 'junit'. Pass --format text, json, markdown or html.")
    with Progress(sys.stderr) as progress, _printing_to_stderr():
        found = table(library.library, seed=args.seed, only=only, on_row=progress.show)
    emit(found, args)
    return found.exit_code


def _skipped(target: str, reason: str) -> Report:
    """A report that says why nothing ran: the installed library is not as its adapter knows it."""
    from dpo_theory.evidence import Evidence, Report, Verdict

    said = (target, "The loss of an installed library", "contract", "", "", None, None)
    return Report(target, (Evidence(*said, Verdict.SKIPPED, False, reason=reason),))


def _loss_and_spec(args: argparse.Namespace) -> tuple[Any, Any]:
    """The loss under test and what it is meant to be; everything that its module prints goes to standard error."""
    beta = {} if args.beta is None else {"beta": args.beta}
    options = _target.literals(args.param)
    with _printing_to_stderr():
        spec = None
        if args.spec is not None:
            meant, said = _target.load(args.spec)
            spec = _target.prepared(meant, {**said, **beta})
        found, said = _target.load(args.target)
        if spec is None and beta and "beta" in options:
            raise ValueError("--beta and --param beta=... both set beta. Pass one of them.")
        if spec is None or _requires(found, "beta"):
            options = {**beta, **options}
        return _target.prepared(found, {**said, **options}), spec


def _report(loss: Any, asked: dict[str, Any]) -> tuple[Report, bool]:
    """The report, and whether it was interrupted."""
    from dpo_theory.checks import runner

    try:
        with Progress(sys.stderr) as progress, _printing_to_stderr():
            return runner.check_loss(loss, **asked, on_row=progress), False
    except runner.Interrupted as interrupted:
        return interrupted.report, True
    except SystemExit as stop:
        raise ValueError(f"the loss ended the process (SystemExit: {stop.code}) when it was called. Let it raise or return.") from None


def _list(only: tuple[str, ...] | None, args: argparse.Namespace) -> int:
    from dpo_theory.checks import registry

    args.formats = ("text", "json")
    if args.format not in (None, *args.formats):
        raise ValueError(f"--list has no format {args.format!r}. Pass --format text or json.")
    check_output(args)
    checks = [registry.load(name) for name in registry.names() if only is None or name in only]
    emit(Listing(tuple((c.name, c.kind, c.statement.strip().splitlines()[0].rstrip(".")) for c in checks)), args)
    return 0


def _names(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """`["a,b", "c"]` as ("a", "b", "c"), each once."""
    if texts is None:
        return None
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))


def _requires(target: Any, option: str) -> bool:
    import inspect

    try:
        parameter = inspect.signature(target).parameters.get(option)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.default is parameter.empty


def _document_at(path: str | None) -> argparse.Namespace | None:
    """Where a baseline is to be written, refused before anything runs if it cannot be."""
    if path is None:
        return None
    place = argparse.Namespace(output=path, format="json", formats=("json",))
    check_output(place)
    return place


def _printing_to_stderr() -> contextlib.redirect_stdout[Any]:
    return contextlib.redirect_stdout(sys.stderr)
