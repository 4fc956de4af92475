"""`dpo-theory bandit`: run a study on tabular bandits, judge what theory predicts about it, and write its page."""

from __future__ import annotations

import argparse
import ast
import contextlib
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from dpo_theory.cli._output import add_output_options, check_output, emit

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory bandit list                                  the studies and their questions
  dpo-theory bandit frontier                              run one, and judge the prediction
  dpo-theory bandit frontier --seeds 200 --jobs 2 --out runs   keep the records; run it again and it goes on
  dpo-theory bandit sample_size --set sizes=100,1000 --dry-run
  dpo-theory bandit frontier --method mine.py:my_method   with a method of your own
  dpo-theory bandit frontier --from votes.csv             on the bandit fitted to human preferences
  dpo-theory bandit report runs                           one page: figures, tables, predictions, verdicts
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("study", metavar="STUDY", help="a study's name, `list`, or `report`")
    parser.add_argument("directory", nargs="?", metavar="DIR", help="with `report`: where the records are")
    plan = parser.add_argument_group("what is run")
    plan.add_argument("--seeds", type=int, metavar="N", help="problems are drawn from seeds 0 to N - 1")
    plan.add_argument("--root", type=int, default=0, metavar="N", help="entropy of every random stream (default 0)")
    plan.add_argument("--set", action="append", default=[], metavar="NAME=VALUES", help="a setting, its values separated by commas")
    plan.add_argument("--method", action="append", default=[], metavar="FILE.py:NAME", help="a method of your own: (problem, data, rng)")
    plan.add_argument("--from", dest="source", metavar="FILE", help="take the problem from fitted preferences: CSV or JSON lines")
    plan.add_argument("--pool", action="store_true", help="with --from: merge all prompts into one context")
    how = parser.add_argument_group("how it is run")
    how.add_argument("--out", metavar="DIR", help="keep records and figure there; a sweep that was stopped goes on")
    how.add_argument("--jobs", type=int, default=1, metavar="N", help="processes on this machine (default 1)")
    how.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster, such as tcp://10.0.0.1:8786")
    how.add_argument("--dry-run", action="store_true", help="say how many problems, how long and how much memory, and stop")
    add_output_options(parser, ("text", "json", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """List, run, or report."""
    check_output(args)
    if args.study != "report" and args.directory is not None:
        raise ValueError(f"{args.directory!r} is one word too many. Records are kept with --out {args.directory}.")
    if args.study == "list":
        return _list()
    if args.study == "report":
        return _report(args)
    from bandits.experiments import forecast
    from dpo_theory.predictions import load

    prediction = load(args.study)
    methods = _own_methods(args.method)
    plan = prediction.plan(seeds=args.seeds, root=args.root, bandit=_bandit(args), methods=methods, **_settings(args.set))
    if args.dry_run:
        print(f"{args.study}: {forecast(plan, jobs=args.jobs)}")
        return 0
    result = _measured(args, prediction, plan)
    emit(result, args)
    return result.report.exit_code


def _list() -> int:
    from dpo_theory.predictions import load, names, study

    width = max(map(len, names()))
    for name in names():
        print(f"{name.ljust(width)}  {study(name).question}\n{' ' * width}  predicted: {load(name).name}.")
    return 0


def _measured(args: argparse.Namespace, prediction: Any, plan: Any) -> Any:
    from bandits.experiments import sweep
    from dpo_theory.cli._countdown import Countdown
    from dpo_theory.predictions import judge
    from dpo_theory.predictions.result import Result

    begun = time.perf_counter()
    with Countdown(args.study, sys.stderr) as countdown:
        try:
            records = sweep(plan, directory=args.out, jobs=args.jobs, dask=args.dask, on_block=countdown)
        except OSError as error:
            raise ValueError(str(error)) from None
        except KeyboardInterrupt:
            if args.out is not None:
                kept = f"{countdown.done} of {countdown.of} blocks are kept in {args.out}"
                print(f"\n{kept}; the same command goes on from there.", file=sys.stderr)
            raise
    if countdown.kept:
        print(f"{countdown.kept} of {countdown.of} blocks were found in {args.out}", file=sys.stderr)
    result = Result(plan.study, prediction, records, judge(prediction, records, seconds=time.perf_counter() - begun))
    if args.out is not None:
        from bandits.plots import save

        save(plan.study, records, Path(args.out) / f"{args.study}.svg")
    return result


def _report(args: argparse.Namespace) -> int:
    from bandits.experiments import names, read_records
    from dpo_theory.cli._output import SUFFIXES
    from dpo_theory.predictions import judge, load, study
    from dpo_theory.predictions.result import Result, page

    if args.directory is None:
        raise ValueError("expected a directory: dpo-theory bandit report DIR.")
    folder = Path(args.directory)
    found = [name for name in names() if (folder / f"{name}.jsonl").is_file()]
    if not found:
        raise ValueError(f"{args.directory} holds the records of no study. Run one with --out {args.directory} first.")
    if args.output is not None and SUFFIXES.get(Path(args.output).suffix.lower()) != "html":
        raise ValueError(f"a report is a page, and {args.output} is not called .html.")
    results = []
    for name in found:
        records = read_records(folder / f"{name}.jsonl")
        results.append(Result(study(name), load(name), records, judge(load(name), records)))
    args.output = args.output or str(folder / "report.html")
    args.format = "html"
    emit(_Page(page(results)), args)
    codes = [result.report.exit_code for result in results]
    for result in results:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in result.report.counts.items())
        done, of = result.records.header["blocks_done"], result.records.header["blocks"]
        partly = "" if done == of else f" (from {done} of {of} blocks)"
        print(f"{result.study.name}: {counts}{partly}" + ("" if result.report.passed else ", NOT AS EXPECTED"))
    return max(codes)


class _Page:
    """A page that is written already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_html(self) -> str:
        return self._text


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    """`["sizes=10,20"]` as {"sizes": (10, 20)}; words stay words."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name.isidentifier() or not values:
            raise ValueError(f"--set {text!r} is not NAME=VALUES. Write for example --set betas=0.1,1.")
        if name in found:
            raise ValueError(f"--set {name} is given twice.")
        parts = [_value(part.strip()) for part in values.split(",") if part.strip()]
        found[name] = parts[0] if len(parts) == 1 and not values.endswith(",") else tuple(parts)
    reserved = {"methods", "losses", "seeds", "block", "root", "bandit"} & set(found)
    if reserved:
        raise ValueError(f"--set {sorted(reserved)[0]}: this is no setting of a study. `--seeds`, `--root`, `--method` and `--from` exist.")
    return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _own_methods(targets: Sequence[str]) -> dict[str, Any]:
    from dpo_theory.cli import _target

    found = {}
    for target in targets:
        method = _target.prepared(*_target.load(target))
        _send_by_value(getattr(method, "__module__", ""))
        found[target.rpartition(":")[2]] = method
    return found


def _send_by_value(module: str) -> None:
    """Other processes and machines get the module itself: they may not have its file."""
    for pickler in ("cloudpickle", "joblib.externals.cloudpickle"):
        with contextlib.suppress(ImportError, ValueError):
            import_module(pickler).register_pickle_by_value(sys.modules[module])


def _bandit(args: argparse.Namespace) -> Any:
    if args.source is None:
        if args.pool:
            raise ValueError("--pool says how --from reads its file. Give --from FILE, or leave --pool out.")
        return None
    from dpo_theory.predictions.human import bandit_from

    return bandit_from(args.source, pool=args.pool)
