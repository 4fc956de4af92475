"""Logs of training runs: `trainer_state.json`, JSON lines, dicts as printed; keys of TRL, LLaMA-Factory and OpenRLHF."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KEYS", "Log", "Record", "read_log", "records"]

KEYS = {
    "step": ("step", "global_step", "current_steps", "steps", "train/global_step", "_step"),
    "loss": ("loss", "dpo_loss", "loss/dpo", "train_loss_step"),
    "chosen": ("rewards/chosen", "chosen_reward", "chosen_rewards", "rewards_chosen", "reward_chosen"),
    "rejected": ("rewards/rejected", "reject_reward", "rejected_reward", "rejected_rewards", "rewards_rejected", "reward_rejected"),
    "margin": ("rewards/margins", "rewards/margin", "reward_margin", "rewards_margins", "margin"),
    "accuracy": ("rewards/accuracies", "reward_accuracy", "rewards_accuracies", "accuracy", "acc"),
    "logps_chosen": ("logps/chosen", "chosen_logps", "logps_chosen", "policy_chosen_logps"),
    "logps_rejected": ("logps/rejected", "rejected_logps", "logps_rejected", "policy_rejected_logps"),
}
_CANONICAL = {name: (key, rank) for key, names in KEYS.items() for rank, name in enumerate(names)}
_PREFIXES = ("train/", "train_", "metrics/")
_OTHER = ("eval/", "eval_", "test/", "test_")


@dataclass(frozen=True)
class Record:
    """One line of a log: its number in the file, the step (None where it is not told), and what it says by canonical key."""

    line: int
    step: float | None
    numbers: Mapping[str, float]

    def __getitem__(self, key: str) -> float | None:
        return self.numbers.get(key)

    @property
    def where(self) -> str:
        """For people."""
        return f"record {self.line}" + ("" if self.step is None else f", step {self.step:g}")


@dataclass(frozen=True)
class Log:
    """Records in the order of the file, and the lines that are none.

    Args:
        name: of the file.
        records: that say something of training.
        broken: (line, why) of what cannot be read.
        others: how many records speak of evaluation, or of nothing that is known.
    """

    name: str
    records: tuple[Record, ...]
    broken: tuple[tuple[int, str], ...] = ()
    others: int = 0

    def column(self, key: str) -> list[tuple[Record, float]]:
        """(record, value) where the key is told."""
        return [(record, value) for record in self.records if (value := record[key]) is not None]


def read_log(path: str | Path) -> Log:
    """Read a log.

    Args:
        path: `trainer_state.json`, a list of records in JSON, JSON lines, or lines with dicts as Python prints them.

    Returns:
        A Log; lines that cannot be read are told with their number.

    Raises:
        ValueError: there is no such file, it is empty, or nothing in it is a record.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"there is no file {file}. Pass trainer_state.json or a log of JSON lines.")
    text = file.read_text(encoding="utf-8", errors="replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    if not text.strip():
        raise ValueError(f"{file} is empty.")
    whole = _whole(text, file)
    if whole is not None:
        return records(whole, name=file.name)
    found, broken = [], []
    printed = not any(line.lstrip().startswith('{"') for line in text.splitlines())
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (printed and not line.lstrip().startswith("{")):
            continue
        value = _line(line)
        if isinstance(value, dict):
            found.append((number, value))
        else:
            broken.append((number, "cut off" if line.count("{") > line.count("}") else "no JSON object"))
    if not found:
        raise ValueError(f"{file} holds no record. Expected trainer_state.json (log_history), a JSON list, or one JSON object a line.")
    log = _log(file.name, found)
    return Log(log.name, log.records, tuple(broken), log.others)


def records(history: Iterable[Any], name: str = "log") -> Log:
    """A Log of records in memory, such as `trainer.state.log_history`.

    >>> records([{"loss": "0.69", "rewards/margins": 0.0, "step": 1}]).records[0]["margin"]
    0.0
    """
    rows = list(enumerate(history, start=1))
    good = [(number, value) for number, value in rows if isinstance(value, dict)]
    log = _log(name, good)
    broken = tuple((number, f"a {type(value).__name__}, no object") for number, value in rows if not isinstance(value, dict))
    return Log(name, log.records, broken, log.others)


def _whole(text: str, file: Path) -> list[Any] | None:
    """The records of a file that is one JSON document; None where it is not."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        if '"log_history"' in text:
            raise ValueError(f"{file} is a trainer state that is cut off or damaged: it is no JSON.") from None
        return None
    except RecursionError:
        raise ValueError(f"{file} is nested too deeply to be a log.") from None
    if isinstance(document, dict) and "log_history" in document:
        document = document["log_history"]
        if not isinstance(document, list):
            raise ValueError(f"log_history in {file} is a {type(document).__name__}, expected a list of records.")
        if not document:
            raise ValueError(f"log_history in {file} is empty: nothing was logged.")
        return document
    if isinstance(document, list) and any(isinstance(value, dict) for value in document):
        return document
    return [document] if isinstance(document, dict) else None


def _line(line: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(line.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _log(name: str, rows: list[tuple[int, dict[str, Any]]]) -> Log:
    found, others = [], 0
    for number, row in rows:
        numbers = _canonical(row)
        step = numbers.pop("step", None)
        if numbers:
            found.append(Record(number, step, numbers))
        else:
            others += 1
    return Log(name, tuple(found), (), others)


def _canonical(row: Mapping[str, Any]) -> dict[str, float]:
    """Canonical key -> number; of two names for one thing the usual one."""
    best: dict[str, tuple[int, float]] = {}
    if "train_runtime" in row:  # the summary at the end: averages over the whole run
        return {}
    for key, value in row.items():
        name = str(key)
        if name.startswith(_OTHER):
            continue
        plain = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix) and name not in _CANONICAL), name)
        number = _number(value)
        if plain in _CANONICAL and number is not None:
            canonical, rank = _CANONICAL[plain]
            if canonical not in best or rank < best[canonical][0]:
                best[canonical] = (rank, number)
    return {key: number for key, (_, number) in best.items()}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan if isinstance(value, str) and value.strip().lower() in ("nan", "null") else None
