"""`dpo-theory diagnose`: what the log of a training run says that cannot be."""

from __future__ import annotations

import argparse

from dpo_theory.cli._output import add_output_options, check_output, emit

__all__ = ["configure", "run"]

EXAMPLES = """\
examples:
  dpo-theory diagnose checkpoint-500/trainer_state.json     of a Hugging Face trainer
  dpo-theory diagnose trainer_log.jsonl                     JSON lines, or dicts as Python prints them
  dpo-theory diagnose run.jsonl --loss other                not -log sigmoid(margin): leave out what holds for DPO only
  dpo-theory diagnose run.jsonl --format json               for a program

exit status: 0 nothing is wrong, 1 something is, 2 the file cannot be read, 3 it tells nothing of preference optimisation
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("log", metavar="LOG", help="trainer_state.json, a JSON list, or JSON lines; keys of TRL, LLaMA-Factory, OpenRLHF")
    parser.add_argument("--loss", choices=("dpo", "other"), default="dpo", help="whether the loss is -log sigmoid(margin) (default: dpo)")
    add_output_options(parser, ("text", "json", "junit", "markdown", "html"))


def run(args: argparse.Namespace) -> int:
    """Read and report."""
    check_output(args)
    from dpo_theory.monitor.diagnosis import diagnose

    report = diagnose(args.log, dpo=args.loss == "dpo")
    emit(report, args)
    return report.exit_code
