"""Says what is wrong with a run, from its log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dpo_theory.evidence import Report
from dpo_theory.monitor.log import Log, read_log, records
from dpo_theory.monitor.row import row, said
from dpo_theory.monitor.rules import RULES

__all__ = ["diagnose"]


def diagnose(log: str | Path | Log | Iterable[Mapping[str, Any]], *, dpo: bool = True) -> Report:
    """What the log of a run says that cannot be, or should not be.

    Args:
        log: a file, records such as `trainer.state.log_history`, or a Log.
        dpo: the loss is -log sigmoid(margin); False leaves out what holds for this loss only.

    Returns:
        A Report: `identity` rows fail where they are refuted; `note` rows are worth knowing and explained. Nothing runs where the
        log tells nothing of preference optimisation.

    Raises:
        ValueError: the file cannot be read, or holds no record.

    >>> said = [{"step": k, "loss": 0.7 - 0.01 * k, "rewards/margins": 0.02 * k, "rewards/accuracies": 0.6} for k in range(3)]
    >>> diagnose(said).passed
    True
    >>> diagnose([{"step": 1, "loss": 0.2, "rewards/margins": 0.0}])["jensen"].counterexample.expected
    '>= 0.6931 at margin 0'
    """
    began = time.perf_counter()
    if isinstance(log, str | Path):
        log = read_log(log)
    elif not isinstance(log, Log):
        log = records(log)
    if not any(log.column(key) for key in ("chosen", "rejected", "margin", "accuracy", "logps_chosen")) and not log.column("loss"):
        rows = tuple(row(rule.__name__.replace("_", "-"), said(rule), _nothing(), fault=fault) for rule, fault in RULES)
    else:
        rows = tuple(row(rule.__name__.replace("_", "-"), said(rule), rule(log, dpo), fault=fault) for rule, fault in RULES)
    return Report(f"{log.name}, {len(log.records)} records of training", rows, len(rows), None, time.perf_counter() - began)


def _nothing() -> Any:
    from dpo_theory.checks.check import not_applicable

    return not_applicable("the log tells neither loss nor rewards")
