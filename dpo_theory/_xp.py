"""One formula, three readings: NumPy arrays give numbers, torch tensors gradients, SymPy symbols the theorem.

`namespace(*values)` is the backend that the values belong to. Every backend has the same few stable primitives; a value of
another kind joins by carrying `__dpo_namespace__`, as the symbolic rows of `dpo_theory.proof` do. Reductions run over the last
axis.
"""

from __future__ import annotations

import math
import sys
from numbers import Rational
from typing import Any

import numpy as np

from dpo_theory._backends import NumPy, Torch
from dpo_theory._symbolic import Symbolic

__all__ = [
    "arrays",
    "ascending",
    "clip",
    "detached",
    "exp",
    "expect",
    "expm1",
    "given_slope",
    "is_symbolic",
    "joined",
    "largest",
    "log",
    "log1mexp",
    "log_sigmoid",
    "logsumexp",
    "namespace",
    "relu",
    "sigmoid",
    "softplus",
    "stacked",
    "step",
    "surprises",
    "tail_logsumexp",
    "total",
]


_NUMBERS = (int, float)  # they take the dtype of the array they meet; NumPy's own scalars do not


def namespace(*values: Any) -> Any:
    """The backend that the values belong to; symbolic wins over torch, torch over NumPy.

    >>> namespace(np.zeros(2)).__name__
    'NumPy'
    """
    for value in values:
        own = getattr(value, "__dpo_namespace__", None)
        if own is not None:
            return own
    sympy = sys.modules.get("sympy")
    if sympy is not None:
        if any(isinstance(value, sympy.Basic) for value in values):
            return Symbolic
        if any(isinstance(value, np.ndarray) and value.dtype == object and _is_exact(value) for value in values):
            return Symbolic
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return Torch
    return NumPy


def _is_exact(values: np.ndarray) -> bool:
    """An array of objects is symbolic if it holds an expression, or exact numbers only; floats among objects are a mistake."""
    import sympy

    return any(isinstance(v, sympy.Basic) for v in values.flat) or all(isinstance(v, Rational) for v in values.flat)


def arrays(*values: Any) -> tuple[Any, ...]:
    """The values as arrays of one backend: lists become arrays, and tensors where one value is a tensor; plain numbers stay.

    >>> [value.shape for value in arrays([1.0, 2.0], np.zeros(2))]
    [(2,), (2,)]
    """
    if namespace(*values) is not Torch:
        return tuple(_array(value) for value in values)
    import torch

    device = next(value.device for value in values if isinstance(value, torch.Tensor))
    return tuple(
        value if isinstance(value, torch.Tensor) or type(value) in _NUMBERS else torch.as_tensor(_array(value), device=device)
        for value in values
    )


def _array(value: Any) -> Any:
    return value if type(value) in _NUMBERS or hasattr(value, "dtype") else np.asarray(value, dtype=np.float64)


def largest(value: Any) -> float:
    """The largest finite number of an array's dtype; integers count as float64."""
    if namespace(value) is Torch:
        import torch

        return float(torch.finfo(value.dtype if value.dtype.is_floating_point else torch.float64).max)
    return float(np.finfo(value.dtype if value.dtype.kind == "f" else np.float64).max)


def is_symbolic(*values: Any) -> bool:
    """True where some value is an expression: there are no numbers to validate."""
    return bool(namespace(*values).symbolic)


def exp(x: Any, *, ceiling: float | None = None) -> Any:
    """e^x; numbers beyond the ceiling go on along the tangent there, expressions have none.

    >>> exp(np.array([0.0, 700.0]), ceiling=2.0).round(3).tolist()  # 1, and e^2 (1 + 698)
    [1.0, 5164.95]
    """
    return namespace(x).exp(x) if ceiling is None else namespace(x).tangent_exp(x, ceiling)


def expm1(x: Any, *, ceiling: float | None = None) -> Any:
    """e^x - 1, exact near 0; the ceiling is that of `exp`."""
    return namespace(x).expm1(x) if ceiling is None else namespace(x).tangent_expm1(x, ceiling)


def log(x: Any) -> Any:
    """The natural logarithm; that of a plain number is a plain number."""
    return math.log(x) if type(x) in _NUMBERS else namespace(x).log(x)


def clip(x: Any, bound: Any) -> Any:
    """x, but not beyond -bound and bound."""
    return namespace(x).clip(x, bound)


def step(x: Any) -> Any:
    """1 where x >= 0, else 0; its derivative is 0.

    >>> step(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 1.0, 1.0]
    """
    return namespace(x).step(x)


def log1mexp(x: Any) -> Any:
    """log(1 - e^x) for x < 0, exact at both ends, in value and derivatives.

    >>> log1mexp(np.array([-1e-12, -1.0, -50.0])).round(4)
    array([-27.631 ,  -0.4587,  -0.    ])
    """
    return namespace(x).log1mexp(x)


def detached(x: Any) -> Any:
    """The value, held fixed in every derivative; on NumPy and SymPy, which keep no graph, it is the value."""
    return namespace(x).detached(x)


def stacked(*columns: Any) -> Any:
    """Columns side by side, on a new last axis: (...) each -> (..., K).

    >>> stacked(np.zeros(2), np.ones(2)).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    return namespace(*columns).stacked(*columns)


def joined(*columns: Any) -> Any:
    """Columns one after the other: (N,), (M,) -> (N + M,)."""
    return namespace(*columns).joined(*columns)


def given_slope(value: Any, slope: Any, x: Any) -> Any:
    """The value, whose derivative in x is `slope` for autograd; elsewhere the value alone."""
    if namespace(x) is not Torch:
        return value
    from dpo_theory._given_slope import GivenSlope

    return GivenSlope.apply(value.detach(), slope, x)


def softplus(x: Any, *, exponential: Any = None) -> Any:
    """log(1 + e^x), exact at both ends.

    Args:
        x: the exponent.
        exponential: e^x where it is known better than x, which has lost digits; it is used where x <= 10 and has to be finite.

    >>> softplus(np.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.6931471805599453, 10000.0]
    """
    return namespace(x).softplus(x) if exponential is None else namespace(x).softplus_of(x, exponential)


def log_sigmoid(x: Any) -> Any:
    """log s(x) = -softplus(-x)."""
    return -softplus(-x)


def sigmoid(x: Any) -> Any:
    """s(x) = 1 / (1 + e^-x)."""
    return namespace(x).sigmoid(x)


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return namespace(x).relu(x)


def ascending(x: Any) -> Any:
    """The values in ascending order along the last axis: (..., N) -> (..., N)."""
    return namespace(x).ascending(x)


def total(x: Any) -> Any:
    """Sum over the last axis: (..., A) -> (...)."""
    return namespace(x).total(x)


def logsumexp(x: Any, *, keepdims: bool = False) -> Any:
    """log sum_i e^{x_i} over the last axis: (..., A) -> (...), or (..., 1) with keepdims."""
    return namespace(x).logsumexp(x, keepdims)


def tail_logsumexp(x: Any) -> Any:
    """log sum_{j >= k} e^{x_j} for every k of the last axis: (..., K) -> (..., K).

    >>> tail_logsumexp(np.log([1.0, 2.0, 3.0])).round(4)
    array([1.7918, 1.6094, 1.0986])
    """
    return namespace(x).tail_logsumexp(x)


def expect(log_probs: Any, values: Any) -> Any:
    """sum_i e^{log_probs_i} values_i over the last axis, where 0 times anything is 0: (..., A) -> (...).

    >>> expect(np.array([0.0, -np.inf]), np.array([2.0, -np.inf]))
    np.float64(2.0)
    """
    return namespace(log_probs, values).expect(log_probs, values)


def surprises(x: Any) -> Any:
    """tail_logsumexp(x) - x, without cancellation in value or derivatives where the backend can: (..., K) -> (..., K).

    >>> surprises(np.array([100.0, 0.0])).tolist()
    [3.720075976020836e-44, 0.0]
    """
    own = getattr(namespace(x), "surprises", None)
    return tail_logsumexp(x) - x if own is None else own(x)
