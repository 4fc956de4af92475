"""A loss in another interpreter: batches go out and numbers come back, one line of JSON each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dpo_theory.identify.box import LossFailed
from dpo_theory.identify.samples import RECORDS

__all__ = ["Remote", "serve"]

PACKAGE = Path(__file__).resolve().parents[2]


class Remote:
    """A box whose loss lives in a process of another interpreter; a context manager that ends it.

    Args:
        python: the interpreter.
        target: what it is to evaluate, as on the command line.
        params: its options, `NAME=VALUE`.
        style: how it is called, where that is unclear.
    """

    subject = None
    call = None
    expression = None

    def __init__(self, python: str, target: str, params: list[str], style: str | None) -> None:
        self._told = f"{target} in {python}"
        path = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH", ""))))
        code = "from dpo_theory.cli._remote import serve; serve()"
        try:
            self._process = subprocess.Popen(
                [python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
        except OSError as error:
            raise ValueError(f"{python} cannot be started: {error.strerror}. Name the python of a virtual environment.") from None
        try:
            said = self._ask({"target": target, "params": params, "style": style})
        except BaseException:
            self._end()
            raise
        self.name = f"{said['name']} in {python}"
        self.takes = RECORDS[said["takes"]]
        self.coupled, self.plain, self.reduction = said["coupled"], said["plain"], said["reduction"]
        self.tolerance, self.options = said["tolerance"], said["options"]
        self.gradients: Callable[[Any], np.ndarray] | None = self._gradients if said["gradients"] else None

    def values(self, batch: Any) -> np.ndarray:
        """As `Box.values`."""
        return self._numbers("values", batch)

    def _gradients(self, batch: Any) -> np.ndarray:
        return self._numbers("gradients", batch)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _numbers(self, what: str, batch: Any) -> np.ndarray:
        columns = {name: None if c is None else np.asarray(c).tolist() for name, c in batch._asdict().items()}
        said = self._ask({"what": what, "batch": columns})
        if "failed" in said:
            raise LossFailed(said["failed"])
        return np.array(said["numbers"], dtype=float)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, OSError):
            line = ""
        if not line:
            raise ValueError(f"{self._told} stopped: {self._last_words()}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise ValueError(f"{self._told}: {said['error']}")
        return said

    def _last_words(self) -> str:
        _, said = self._process.communicate()
        last = next((line for line in reversed((said or "").splitlines()) if line.strip()), f"exit status {self._process.returncode}")
        if "ModuleNotFoundError" in last:
            missing = last.rpartition("named")[2].strip(" '\"")
            return f"it has no module {missing}. Install it there: {missing.partition('.')[0]} is needed to evaluate losses."
        return last

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()


def serve() -> None:
    """Answer questions on standard input until it ends; what the loss prints goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    made: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if "target" in question:
                made = _made(question)
                told = {name: v for name, v in made.options.items() if isinstance(v, int | float | str | bool | type(None))}
                said: dict[str, Any] = {
                    "name": made.name, "takes": made.takes.__name__, "coupled": made.coupled, "plain": made.plain,
                    "reduction": made.reduction, "tolerance": made.tolerance, "options": told, "gradients": made.gradients is not None,
                }  # fmt: skip
            else:
                said = {"numbers": _answer(made, question).tolist()}
        except LossFailed as error:
            said = {"failed": str(error)}
        except ValueError as error:
            said = {"error": str(error)}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def _made(question: dict[str, Any]) -> Any:
    from dpo_theory.cli import _target
    from dpo_theory.identify.box import box

    found, options = _target.load(question["target"])
    return box(_target.prepared(found, {**options, **_target.literals(question["params"])}), style=question["style"])


def _answer(made: Any, question: dict[str, Any]) -> np.ndarray:
    columns = {name: None if c is None else np.array(c) for name, c in question["batch"].items()}
    return np.asarray(getattr(made, question["what"])(made.takes(**columns)), dtype=float)
