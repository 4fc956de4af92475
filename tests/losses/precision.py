"""How far every loss, and its gradient, is from sixty-digit arithmetic, in units of the rounding that its inputs make unavoidable.

The unit of a number f(x, theta) in a dtype of unit roundoff u is u |f| + sum_j max |f(.., x_j (1 +- u), ..) - f(x)| over its inputs
x_j and options theta_j, plus the smallest normal number: what f changes by when each of them is rounded once. A slope is such a number
too; slopes that are sums of opposite terms (rankings, APODown) share the |f| of the largest slope of the comparison. All of it is
evaluated in sixty digits, derivatives by the chain rule, at the inputs after they were rounded to the dtype.

`python -m tests.losses.precision` writes benchmarks/loss_precision.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import torch

import dpo_theory.losses
from tests.losses.exact import DIGITS, column
from tests.losses.points import points

__all__ = ["DTYPES", "Row", "losses", "measure", "table"]

DTYPES = ("float64", "float32", "bfloat16")
SUMS = {"APODown"}
DOCUMENT = Path(__file__).parents[2] / "benchmarks" / "loss_precision.md"


class Row(NamedTuple):
    """The worst errors of one loss in one dtype, in units; `where` are the fields of the worst point."""

    loss: str
    dtype: str
    points: int
    value: float
    gradient: float
    numpy: float | None
    where: str


def losses() -> list[Any]:
    """Every loss of the library with its default options."""
    return [getattr(dpo_theory.losses, name)() for name in dpo_theory.losses.__all__]


def measure(loss: Any, dtype: str) -> Row:
    """The worst errors of a loss in one dtype, at all points of its record."""
    record, moved, policy = points(loss.takes)
    record, u, tiny = _rounded(record, dtype), *_unit_roundoff(dtype)
    alone = "batch-coupled" in getattr(loss, "has", ())
    batches = [_row(record, k) for k in range(len(record[0]))] if alone else [record]
    worst = {"value": 0.0, "gradient": 0.0, "numpy": 0.0}
    where = ""
    for batch in batches:
        exact = _Exact(loss, batch, moved, policy, u, tiny)
        value, slopes = _by_torch(loss, batch, policy, dtype)
        errors = {"value": exact.value_error(value), "gradient": exact.slope_error(slopes)}
        if dtype != "bfloat16":
            errors["numpy"] = exact.value_error(_by_numpy(loss, batch, dtype))
        for what, error in errors.items():
            error = np.where(np.isnan(error), np.inf, error).max(axis=tuple(range(1, error.ndim)))
            if error.max() > worst[what]:
                worst[what] = float(error.max())
                if error.max() >= max(worst.values()):
                    where = f"{what} at {_shown(_row(batch, int(error.argmax())))}"
    return Row(repr(loss), dtype, len(record[0]), worst["value"], worst["gradient"], worst["numpy"] if dtype != "bfloat16" else None, where)


class _Exact:
    """A loss at a batch in sixty digits: values, slopes, and the units of both."""

    def __init__(self, loss: Any, batch: Any, moved: Any, policy: Any, u: float, tiny: float):
        self.loss, self.batch, self.moved, self.policy = loss, batch, moved, policy
        with mp.workdps(DIGITS):
            self.value, self.slopes = self.at({}, {})
            self.value_unit = u * np.abs(self.value) + mp.mpf(tiny)
            size = np.abs(self.slopes)
            if size.shape[1] > 2 or type(loss).__name__ in SUMS:
                size = np.max(size, axis=1, keepdims=True)
            self.slope_unit = u * size + mp.mpf(tiny)
            up, down = 1 + mp.mpf(u), 1 - mp.mpf(u)
            for name, place in self._moves(moved):
                sides = [self.at(*self._moved(name, place, factor)) for factor in (up, down)]
                self.value_unit = self.value_unit + np.max([np.abs(v - self.value) for v, _ in sides], axis=0)
                self.slope_unit = self.slope_unit + np.max([np.abs(s - self.slopes) for _, s in sides], axis=0)

    def _moves(self, moved: Any) -> Iterable[tuple[str, int | None]]:
        yield from ((option, None) for option in _options(self.loss))
        for name in moved:
            wide = np.ndim(getattr(self.batch, name)) > 1
            yield from ((name, k) for k in range(np.shape(getattr(self.batch, name))[-1] if wide else 1))

    def _moved(self, name: str, place: int | None, factor: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if place is None:
            return {}, {name: factor}
        values = getattr(self.batch, name)
        factors = np.full(values.shape, mp.mpf(1), dtype=object)
        factors[(..., place) if values.ndim > 1 else ...] = factor
        return {name: factors}, {}

    def at(self, factors: dict[str, Any], options: dict[str, Any]) -> tuple[Any, Any]:
        """Values (N,) and slopes (N, K), the batch or an option multiplied by a factor."""
        columns, seen = {}, 0
        width = [np.shape(getattr(self.batch, name))[1:] for name in self.policy]
        total = sum(int(np.prod(shape)) for shape in width)
        for name, values in self.batch._asdict().items():
            if name not in self.moved:
                continue
            slopes = None
            if name in self.policy:
                slopes = np.zeros((total, *values.shape))
                for k in range(int(np.prod(values.shape[1:]))):
                    slopes[seen, ..., k] = 1.0
                    if values.ndim == 1:
                        slopes[seen] = 1.0
                    seen += 1
            made = column(values, slopes)
            columns[name] = made * factors[name] if name in factors else made
        exact = _exact_options(self.loss, options)
        found = exact(self.batch._replace(**columns))
        value = np.array([d.value for d in found], dtype=object)
        zero = (mp.mpf(0),) * total
        return value, np.array([d.slopes or zero for d in found], dtype=object)

    def value_error(self, measured: Any) -> Any:
        with mp.workdps(DIGITS):
            return _units(measured, self.value, self.value_unit)

    def slope_error(self, measured: Any) -> Any:
        with mp.workdps(DIGITS):
            return _units(measured, self.slopes, self.slope_unit)


def _units(measured: Any, exact: Any, unit: Any) -> Any:
    numbers = np.array([mp.mpf(float(v)) for v in np.asarray(measured).reshape(-1)], dtype=object).reshape(np.shape(measured))
    return (np.abs(numbers - exact) / unit).astype(float)


def _options(loss: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(loss) if isinstance(getattr(loss, f.name), float)]


def _exact_options(loss: Any, factors: dict[str, Any]) -> Any:
    return dataclasses.replace(loss, **{name: column([mp.mpf(getattr(loss, name)) * factors.get(name, 1)]) for name in _options(loss)})


def _rounded(record: Any, dtype: str) -> Any:
    kind = getattr(torch, dtype)
    return record._replace(**{n: torch.tensor(v).to(kind).double().numpy() for n, v in record._asdict().items() if v is not None})


def _unit_roundoff(dtype: str) -> tuple[float, float]:
    info = torch.finfo(getattr(torch, dtype))
    return info.eps / 2, info.tiny


def _row(record: Any, k: int) -> Any:
    return record._replace(**{name: values[k : k + 1] for name, values in record._asdict().items() if values is not None})


def _shown(record: Any) -> str:
    return ", ".join(f"{name}={np.asarray(values)[0].tolist()}" for name, values in record._asdict().items() if values is not None)


def _by_torch(loss: Any, batch: Any, policy: Any, dtype: str) -> tuple[Any, Any]:
    kind = getattr(torch, dtype)
    made = {n: torch.tensor(v).to(kind).requires_grad_(n in policy) for n, v in batch._asdict().items() if v is not None}
    value = loss(batch._replace(**made))
    if value.dtype != kind:
        raise AssertionError(f"{loss!r} answers {kind} with {value.dtype}")
    found = torch.autograd.grad(value.sum(), [made[name] for name in policy], allow_unused=True)
    wide = [torch.zeros_like(made[name]) if g is None else g for g, name in zip(found, policy, strict=True)]
    return value.detach().double().numpy(), np.concatenate([g.double().numpy().reshape(len(value), -1) for g in wide], axis=-1)


def _by_numpy(loss: Any, batch: Any, dtype: str) -> Any:
    found = loss(batch._replace(**{n: v.astype(dtype) for n, v in batch._asdict().items() if v is not None}))
    if found.dtype != dtype:
        raise AssertionError(f"{loss!r} answers NumPy's {dtype} with {found.dtype}")
    return found


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    head = __doc__.strip().rsplit("\n\n", 1)[0]
    lines = [
        "# Precision of the losses",
        "",
        head,
        "",
        f"Margins 0, ±1e-8, ±30, ±1e3, ±1e4 nats and log-probabilities from -1e4 to -1e-12. Worst of all points, {DIGITS} digits.",
        "Written by `python -m tests.losses.precision`.",
        "",
        "| loss | dtype | points | torch value | torch gradient | NumPy value |",
        "|--|--|--:|--:|--:|--:|",
    ]
    for row in rows:
        numpy = "" if row.numpy is None else f"{row.numpy:.2f}"
        lines.append(f"| `{row.loss}` | {row.dtype} | {row.points} | {row.value:.2f} | {row.gradient:.2f} | {numpy} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(table(measure(loss, dtype) for loss in losses() for dtype in DTYPES), encoding="utf-8")
