"""A counterexample on pairs, as code that can be pasted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.subject import Subject
from dpo_theory.evidence import Counterexample

__all__ = ["pair_text", "slopes_shown", "witness"]


def pair_text(pairs: PairLogProbs) -> str:
    """The pairs as a Python expression."""
    given = {name: column for name, column in pairs._asdict().items() if column is not None}
    columns = ", ".join(f"{name}={_column(column)}" for name, column in given.items())
    return f"PairLogProbs({columns})"


def witness(
    subject: Subject, pairs: PairLogProbs, expected: Any, got: Any, because: str, show: str = "loss(pairs)", dtype: str = "float64"
) -> Counterexample:
    """A Counterexample whose code rebuilds the loss where that is possible, and says so where it is not.

    Args:
        subject: the loss.
        pairs: the pairs that show it; few.
        expected, got: numbers or words.
        because: the likely cause, and the remedy.
        show: the expression to print, in `loss` and `pairs`.
        dtype: of the columns.
    """
    if hasattr(subject.loss, "code"):
        return Counterexample(pair_text(pairs), _number(expected), _number(got), because, _by_its_library(subject, pairs, show, dtype))
    kind = "torch.tensor" if subject.backend == "torch" else "np.array"
    lines = [
        "import numpy as np",
        *(["import torch"] if subject.backend == "torch" else []),
        "from bandits.data import PairLogProbs",
    ]
    lines += _rebuilt(subject)
    given = {name: column for name, column in pairs._asdict().items() if column is not None}
    if subject.style != "pairs":
        given = {name: given[name] for name in list(given)[:4]}
    typed = f", dtype=torch.{dtype}" if subject.backend == "torch" else ""
    columns = ", ".join(f"{name}={kind}({_column(column)}{typed})" for name, column in given.items())
    lines += [f"pairs = PairLogProbs({columns})", f"print({show})"]
    return Counterexample(pair_text(pairs), _number(expected), _number(got), because, "\n".join(lines))


def _by_its_library(subject: Subject, pairs: PairLogProbs, show: str, dtype: str) -> str:
    """Code of a loss that says itself how to define `loss` with its own library alone."""
    columns = [f"torch.tensor({_column(column)}, dtype=torch.{dtype}, requires_grad={k < 2})" for k, column in enumerate(pairs[:4])]
    counts = [f"torch.tensor({_column(column)})" for column in pairs[4:6] if column is not None]
    lines = [subject.loss.code(), f"pairs = Pairs({', '.join([*columns, *counts])})"]
    if "np." in show:
        lines.insert(0, "import numpy as np")
    return "\n".join([*lines, f"print({show})"])


def _rebuilt(subject: Subject) -> list[str]:
    loss = subject.loss
    if dataclasses.is_dataclass(loss) and type(loss).__module__.startswith("dpo_theory.losses"):
        imported = f"from {type(loss).__module__} import {type(loss).__name__}"
        if subject.style == "pairs":
            return [imported, f"loss = {loss!r}"]
        return [imported, "from dpo_theory.checks.signature import adapt", f"loss = adapt({loss!r}, {subject.style!r})[1]"]
    module, name = getattr(loss, "__module__", None), getattr(loss, "__qualname__", None)
    if module and name and "<" not in name and module not in ("__main__", "builtins"):
        lines = [f"from {module} import {name.split('.')[0]} as checked"]
    else:
        lines = [f"checked = ...  # {subject.name}"]
    if subject.style in ("labelled", "scored"):
        return [*lines, "from dpo_theory.checks.signature import adapt", f"loss = adapt(checked, {subject.style!r})[1]"]
    order = {"pairs": "pairs", "logps": "*pairs[:4]", "logps-no-reference": "*pairs[:2]"}[subject.style]
    return [*lines, f"loss = lambda pairs: checked({order})"]


def _column(column: Any) -> str:
    return "[" + ", ".join(repr(float(v)) for v in np.atleast_1d(column)) + "]"


def _number(value: Any) -> str:
    if isinstance(value, str):
        return value
    array = np.asarray(value, dtype=float)
    return f"{float(array):.12g}" if array.ndim == 0 else "[" + ", ".join(f"{v:.12g}" for v in array.reshape(-1)) + "]"


def slopes_shown(subject: Subject) -> str:
    """What prints the derivatives in policy_chosen and policy_rejected, as an expression in `loss` and `pairs`."""
    if hasattr(subject.loss, "code"):
        return "torch.autograd.grad(loss(pairs).sum(), pairs[:2])"
    if subject.backend == "torch":
        return "torch.func.grad(lambda w, l: loss(pairs._replace(policy_chosen=w, policy_rejected=l)).sum(), (0, 1))(*pairs[:2])"
    return '__import__("bandits").derivatives.derivatives(loss, pairs).gradient'
