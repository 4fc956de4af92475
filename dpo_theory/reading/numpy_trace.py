"""NumPy code on symbols: an array that answers NumPy's protocols with SymPy expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

__all__ = ["Traced", "UnknownOperation", "elementwise", "stack_logsumexp"]


class UnknownOperation(ValueError):
    """The code used an operation that has no symbolic reading."""


def stack_logsumexp(values: Any) -> Any:
    """log sum exp of a list of expressions."""
    return sp.log(sp.Add(*(sp.exp(v) for v in values)))


UFUNCS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "true_divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "power": lambda x, y: x**y,
    "float_power": lambda x, y: x**y,
    "square": lambda x: x**2,
    "sqrt": sp.sqrt,
    "exp": sp.exp,
    "exp2": lambda x: sp.Integer(2) ** x,
    "expm1": lambda x: sp.exp(x) - 1,
    "log": sp.log,
    "log2": lambda x: sp.log(x) / sp.log(2),
    "log10": lambda x: sp.log(x) / sp.log(10),
    "log1p": lambda x: sp.log(1 + x),
    "logaddexp": lambda x, y: stack_logsumexp([x, y]),
    "tanh": lambda x: 1 - 2 / (1 + sp.exp(2 * x)),
    "absolute": sp.Abs,
    "fabs": sp.Abs,
    "maximum": sp.Max,
    "fmax": sp.Max,
    "minimum": sp.Min,
    "fmin": sp.Min,
    "clip": lambda x, low, high: sp.Min(sp.Max(x, low), high),
    "reciprocal": lambda x: 1 / x,
    "expit": lambda x: 1 / (1 + sp.exp(-x)),
    "log_expit": lambda x: -sp.log(1 + sp.exp(-x)),
    "xlogy": lambda x, y: x * sp.log(y),
    "less": sp.Lt,
    "less_equal": sp.Le,
    "greater": sp.Gt,
    "greater_equal": sp.Ge,
    "logical_and": sp.And,
    "logical_or": sp.Or,
    "logical_not": sp.Not,
}


def elementwise(function: Callable[..., Any], *arrays: Any) -> Any:
    """`function` on the entries of broadcast object arrays."""
    cells = np.broadcast(*(np.asarray(a, dtype=object) for a in arrays))
    out = np.empty(cells.shape, dtype=object)
    for place, entries in zip(np.ndindex(cells.shape), cells, strict=True):
        out[place] = function(*(sp.sympify(v) for v in entries))
    return out


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of expressions; ufuncs and a few functions of NumPy and SciPy run on it."""

    __array_priority__ = 2000

    def __init__(self, entries: Any) -> None:
        self.entries = np.asarray(entries, dtype=object)
        self.shape = self.entries.shape
        self.ndim = self.entries.ndim
        self.dtype = np.dtype(np.float64)  # code that asks believes in numbers

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [getattr(x, "entries", x) for x in inputs]
        if method == "reduce" and ufunc in (np.add, np.maximum):
            return Traced(ufunc.reduce(plain[0], axis=kwargs.get("axis", 0), keepdims=kwargs.get("keepdims", False)))
        if method != "__call__" or ufunc.__name__ not in UFUNCS or kwargs.get("out") is not None:
            raise UnknownOperation(f"numpy.{ufunc.__name__} ({method}) has no symbolic reading")
        return Traced(elementwise(UFUNCS[ufunc.__name__], *plain))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name == "where" and len(args) == 3:
            condition, yes, no = (getattr(x, "entries", x) for x in args)
            return Traced(elementwise(lambda c, y, n: sp.Piecewise((y, c), (n, True)), condition, yes, no))
        if name in ("sum", "mean"):
            axis = kwargs.get("axis", args[1] if len(args) > 1 else None)
            return Traced(getattr(np, name)(args[0].entries, axis=axis))
        if name == "clip":
            low, high = (*args[1:], None, None)[:2]
            return args[0].clip(kwargs.get("a_min", low), kwargs.get("a_max", high))
        if name in ("zeros_like", "ones_like"):
            return Traced(np.full(args[0].shape, 0 if name == "zeros_like" else 1, dtype=object))
        if name in ("stack", "concatenate"):
            return Traced(function([getattr(x, "entries", x) for x in args[0]], **kwargs))
        raise UnknownOperation(f"numpy.{name} has no symbolic reading")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnknownOperation("the code asks for numbers in an array")

    def __float__(self) -> float:
        raise UnknownOperation("the code asks for a number with float()")

    def __bool__(self) -> bool:
        raise UnknownOperation("the code branches on a value with if")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        return Traced(self.entries[index])

    def sum(self, axis: Any = None, **_: Any) -> Any:
        return Traced(np.sum(self.entries, axis=axis))

    def mean(self, axis: Any = None, **_: Any) -> Any:
        return Traced(np.mean(self.entries, axis=axis))

    def clip(self, low: Any = None, high: Any = None) -> Any:
        entries = self.entries
        if low is not None:
            entries = elementwise(sp.Max, entries, getattr(low, "entries", low))
        if high is not None:
            entries = elementwise(sp.Min, entries, getattr(high, "entries", high))
        return Traced(entries)

    def astype(self, *_: Any, **__: Any) -> Any:
        return self

    def copy(self) -> Any:
        return Traced(self.entries.copy())

    def reshape(self, *shape: Any) -> Any:
        return Traced(self.entries.reshape(*shape))
