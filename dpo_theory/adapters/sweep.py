"""Which options of an installed loss, and which two together, end in an error or in numbers that are not finite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.adapters.adapted import Adapted, Refused

__all__ = ["DTYPES", "Combination", "reach", "sweep"]

DTYPES = ("float64", "float32", "bfloat16", "float16")
NUMBERS = (0.0, 0.5, 1.0)
PAIRS = PairLogProbs(
    np.array([-1.0, -2.5, -0.75, -12.0]), np.array([-2.0, -1.5, -3.0, -9.0]), np.array([-1.5, -2.0, -1.0, -11.0]),
    np.array([-1.25, -2.75, -2.0, -10.0]), np.array([3, 2, 5, 8]), np.array([4, 2, 3, 6]),
)  # fmt: skip
LARGEST = 1e4
MARGINS = np.unique(np.concatenate([np.geomspace(1.0, LARGEST, 41), [0.0]]))


@dataclass(frozen=True)
class Combination:
    """Options with which a loss fails on four ordinary pairs.

    Args:
        loss: as it would be written.
        options: beside the defaults.
        dtypes: in which precisions.
        what: what happens.
        code: Python that shows it with the library alone, in the first of the precisions.
    """

    loss: str
    options: dict[str, Any]
    dtypes: tuple[str, ...]
    what: str
    code: str

    def __str__(self) -> str:
        where = "every precision" if len(self.dtypes) == len(DTYPES) else ", ".join(self.dtypes)
        return f"{self.loss}: {self.what} ({where})"


def sweep(loss: Adapted) -> list[Combination]:
    """Each option at each of its values, then every two options at their first other value; what fails alone is not tried again.

    What the library refuses with a message of its own is no finding.

    Args:
        loss: at its defaults, or as near to them as the library allows.
    """
    found: list[Combination] = []
    bad: list[dict[str, Any]] = []
    for changes in _changes(loss):
        if any(part.items() <= changes.items() for part in bad):
            continue
        try:
            made = loss.replace(**changes)
        except Refused:
            continue
        except Exception as error:
            failed = {f"making it raises {_said(error)}": list(DTYPES)}
            made = loss
        else:
            failed = _failures(made)
        for what, dtypes in failed.items():
            found.append(Combination(repr(made), dict(changes), tuple(dtypes), what, _code(made, dtypes[0])))
        if failed:
            bad.append(changes)
    return found


def _changes(loss: Adapted) -> Iterator[dict[str, Any]]:
    values = {name: _values(value, loss.choices.get(name, ())) for name, value in loss.options.items()}
    values = {name: [v for v in others if v != loss.options[name]] for name, others in values.items()}
    yield {}
    for name, others in values.items():
        for value in others:
            yield {name: value}
    for one, two in combinations(values, 2):
        for first in values[one] if _worded(values[one]) else values[one][:1]:
            for second in values[two] if _worded(values[two]) else values[two][:1]:
                yield {one: first, two: second}


def _values(value: Any, choices: tuple[Any, ...]) -> list[Any]:
    if choices:
        return list(choices)
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [round(value * 1.5 + 0.1, 12), *NUMBERS]
    return []


def _worded(values: list[Any]) -> bool:
    return any(isinstance(value, str) for value in values)


def _failures(loss: Adapted) -> dict[str, list[str]]:
    """what happens -> in which precisions."""
    found: dict[str, list[str]] = {}
    for dtype in DTYPES:
        what = _failure(loss, dtype)
        if what:
            found.setdefault(what, []).append(dtype)
    return found


def _failure(loss: Adapted, dtype: str) -> str:
    import torch

    pairs = _columns(PAIRS, dtype)
    try:
        value = loss.batch(pairs)
    except Exception as error:
        return f"the value raises {_said(error)}"
    value = value.sum()
    if not bool(torch.isfinite(value.detach())):
        return f"the value is {value.detach().item():g}"
    if not value.requires_grad:
        return "the value has no gradient"
    try:
        slopes = torch.autograd.grad(value, pairs[:2], allow_unused=True)
    except Exception as error:
        return f"the gradient raises {_said(error)}"
    return "" if all(s is None or bool(torch.isfinite(s).all()) for s in slopes) else "the gradient is not finite"


def _columns(pairs: PairLogProbs, dtype: str) -> PairLogProbs:
    import torch

    kind = getattr(torch, dtype)
    columns = [torch.tensor(np.asarray(c)).to(kind).requires_grad_(k < 2) for k, c in enumerate(pairs[:4])]
    return PairLogProbs(*columns, *(torch.tensor(np.asarray(c)) for c in pairs[4:6]))


def _said(error: Exception) -> str:
    first = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {first[:90]}{'...' if len(first) > 90 else ''}".rstrip(": ")


def _code(loss: Adapted, dtype: str) -> str:
    columns = [f"torch.tensor({np.asarray(c).tolist()}, dtype=torch.{dtype}, requires_grad={k < 2})" for k, c in enumerate(PAIRS[:4])]
    counts = [f"torch.tensor({np.asarray(c).tolist()})" for c in PAIRS[4:6]]
    lines = [loss.code(), f"pairs = Pairs({', '.join([*columns, *counts])})", "value = loss(pairs).sum()", "print(value)"]
    return "\n".join([*lines, "print(torch.autograd.grad(value, pairs[:2], allow_unused=True))"])


def reach(loss: Adapted) -> dict[str, str]:
    """dtype -> from which margin on, in nats, the value or the gradient is no longer finite; only where that is below 1e4.

    The margin is given to two digits, and its sign says on which side; reference and lengths stay equal.
    """
    found: dict[str, str] = {}
    for dtype in DTYPES:
        for sign in (1.0, -1.0):
            bad = [k for k, margin in enumerate(MARGINS) if _breaks(loss, sign * margin, dtype)]
            if not bad:
                continue
            low, high = (MARGINS[bad[0] - 1] if bad[0] else 0.0), MARGINS[bad[0]]
            while high - low > 0.01 * high:
                middle = (low + high) / 2
                low, high = (low, middle) if _breaks(loss, sign * middle, dtype) else (middle, high)
            said = f"{sign * high:+.2g}"
            found[dtype] = f"{found[dtype]} and {said}" if dtype in found else said
    return found


def _breaks(loss: Adapted, margin: float, dtype: str) -> str:
    """What is not finite at this margin; empty where all is, or where the loss raises."""
    import torch

    base = -1.0 - abs(margin)
    rows = np.array([[base + margin / 2], [base - margin / 2], [base], [base]])
    pairs = PairLogProbs(rows[0], rows[1], rows[2], rows[3], np.array([4]), np.array([4]))
    columns = _columns(pairs, dtype)
    try:
        value = loss.batch(columns).sum()
        slopes = torch.autograd.grad(value, columns[:2], allow_unused=True)
    except Exception:
        return ""
    if not bool(torch.isfinite(value)):
        return "value"
    return "" if all(s is None or bool(torch.isfinite(s).all()) for s in slopes) else "gradient"
