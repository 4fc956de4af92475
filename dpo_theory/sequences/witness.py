"""The smallest batch on which a function is wrong, as code that can be pasted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dpo_theory.evidence import Counterexample
from dpo_theory.sequences.batch import Batch
from dpo_theory.sequences.convention import Convention, values
from dpo_theory.sequences.subject import FunctionFailed, Subject

__all__ = ["FAR", "first_wrong", "shown", "witness"]

FAR = 1e-3  # nats: a difference that is no rounding


def first_wrong(subject: Subject, batches: Iterable[Batch], right: Convention) -> Batch | None:
    """The first of the batches on which the function is not what `right` gives."""
    for batch in batches:
        try:
            got = subject.values(batch)
        except FunctionFailed:
            return batch
        if not np.allclose(got, values(batch, right), rtol=0, atol=FAR):
            return batch
    return None


def witness(
    subject: Subject,
    batch: Batch,
    expected: Any,
    got: Any,
    because: str,
    *,
    dtype: str = "float64",
    mask: str = "int64",
    slope: bool = False,
    show: str = "",
) -> Counterexample:
    """A Counterexample on a batch.

    Args:
        subject: the function.
        batch: the batch.
        expected, got: numbers or words.
        because: the diagnosis.
        dtype, mask: types of the logits and of the masks.
        slope: print the gradient.
        show: the expression to print; default the call.
    """
    torch = subject.backend == "torch"
    lines = ["import torch" if torch else "import numpy as np", *_origin(subject)]
    for column in subject.columns:
        array = getattr(batch, column)
        kind = dtype if column == "logits" else mask if column.endswith("mask") else "int64"
        cells = np.array2string(array, separator=", ", threshold=array.size + 1, max_line_width=120, floatmode="unique")
        cells = cells.replace("\n", "\n" + " " * (len(column) + 16))
        if "inf" in cells or "nan" in cells:
            cells = cells.replace("inf", "float('inf')").replace("nan", "float('nan')")
        needs = ".requires_grad_()" if slope and column == "logits" else ""
        lines.append(
            f"{column} = torch.tensor({cells}, dtype=torch.{kind}){needs}" if torch else f"{column} = np.array({cells}, dtype='{kind}')"
        )
    show = show or (f"torch.autograd.grad({called(subject)}.sum(), logits)[0]" if slope else "")
    lines.append(f"print({show or called(subject)})")
    count, length, size = batch.logits.shape
    problem = f"{count} sequence{'s' * (count > 1)} of {length} positions, {size} tokens in the vocabulary"
    return Counterexample(problem, shown(expected), shown(got), because, "\n".join(lines))


def called(subject: Subject) -> str:
    """The call, as an expression."""
    return "checked(" + ", ".join(column if name is None else f"{name}={column}" for name, column in subject.takes) + ")"


def shown(value: Any) -> str:
    """A number or an array in words."""
    if isinstance(value, str):
        return value
    array = np.asarray(value, dtype=float)
    return f"{float(array):.8g}" if array.ndim == 0 else "[" + ", ".join(f"{v:.8g}" for v in array.reshape(-1)) + "]"


def _origin(subject: Subject) -> list[str]:
    function = subject.function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module and name and "<" not in name and module not in ("__main__", "builtins"):
        return [f"from {module} import {name.split('.')[0]} as checked"]
    return [f"checked = ...  # {subject.name}"]
