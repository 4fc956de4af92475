"""One formula, three readings: NumPy arrays give numbers, torch tensors gradients, SymPy symbols the theorem.

`namespace(*values)` is the backend that the values belong to. Every backend has the same few stable primitives; a value of
another kind joins by carrying `__dpo_namespace__`, as the symbolic rows of `dpo_theory.proof` do. Reductions run over the last
axis.
"""

from __future__ import annotations

import sys
from numbers import Rational
from typing import Any

import numpy as np

__all__ = [
    "arrays",
    "ascending",
    "exp",
    "expect",
    "is_symbolic",
    "largest",
    "log_sigmoid",
    "logsumexp",
    "namespace",
    "relu",
    "sigmoid",
    "softplus",
    "tail_logsumexp",
    "total",
]


_NUMBERS = (int, float)  # they take the dtype of the array they meet; NumPy's own scalars do not


class NumPy:
    """float64 (or whatever dtype comes in) on arrays and Python numbers."""

    symbolic = False

    @staticmethod
    def exp(x: Any) -> Any:
        return np.exp(x)

    @staticmethod
    def softplus(x: Any) -> Any:
        return np.logaddexp(0.0, x)

    @staticmethod
    def sigmoid(x: Any) -> Any:
        from scipy.special import expit

        return expit(x)

    @staticmethod
    def relu(x: Any) -> Any:
        return np.maximum(x, 0.0)

    @staticmethod
    def ascending(x: Any) -> Any:
        return np.sort(x, axis=-1)

    @staticmethod
    def total(x: Any) -> Any:
        return np.sum(x, axis=-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool) -> Any:
        from scipy.special import logsumexp as scipy_logsumexp

        return scipy_logsumexp(x, axis=-1, keepdims=keepdims)

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        return np.logaddexp.accumulate(np.asarray(x)[..., ::-1], axis=-1)[..., ::-1]

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        taken = ~np.isneginf(log_probs)
        infinite = taken & np.isinf(values)  # e^{log_probs} may have underflown to 0, which it is not
        terms = np.exp(log_probs) * np.where(taken & ~infinite, values, 0.0)
        return np.sum(np.where(infinite, values, terms), axis=-1)


class Torch:
    """Tensors on any device; every primitive has first and second derivatives that are finite and right to rounding of 1."""

    symbolic = False

    @staticmethod
    def exp(x: Any) -> Any:
        import torch

        return torch.exp(x)

    @staticmethod
    def softplus(x: Any) -> Any:
        import torch

        return -torch.nn.functional.logsigmoid(-x)  # torch's own softplus turns linear at 20

    @staticmethod
    def sigmoid(x: Any) -> Any:
        import torch

        return torch.sigmoid(x)

    @staticmethod
    def relu(x: Any) -> Any:
        import torch

        return torch.relu(x)

    @staticmethod
    def ascending(x: Any) -> Any:
        return x.sort(dim=-1).values

    @staticmethod
    def total(x: Any) -> Any:
        return x.sum(-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool) -> Any:
        import torch

        return torch.logsumexp(x, dim=-1, keepdim=keepdims)

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        import torch

        return torch.logcumsumexp(x.flip(-1), dim=-1).flip(-1)

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        import torch

        taken = ~torch.isneginf(log_probs)
        infinite = taken & torch.isinf(values)
        weight = torch.where(taken, torch.exp(torch.where(taken, log_probs, 0.0)), 0.0)
        terms = weight * torch.where(taken & ~infinite, values, 0.0)
        return torch.where(infinite, values, terms).sum(-1)


class Symbolic:
    """SymPy expressions, and object arrays of them for a fixed number of actions."""

    symbolic = True

    @staticmethod
    def _each(function: Any, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return function(x)
        entries = np.empty(x.size, dtype=object)
        entries[:] = [function(v) for v in x.flat]  # not a ufunc: SymPy's own float work would raise its warnings
        return entries.reshape(x.shape)[()]

    @staticmethod
    def exp(x: Any) -> Any:
        import sympy

        return Symbolic._each(sympy.exp, x)

    @staticmethod
    def softplus(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.log(1 + sympy.exp(v)), x)

    @staticmethod
    def sigmoid(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: 1 / (1 + sympy.exp(-v)), x)

    @staticmethod
    def relu(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.Max(v, 0), x)

    @staticmethod
    def ascending(x: Any) -> Any:
        if np.ndim(x) and np.shape(x)[-1] > 1:
            raise ValueError("expressions have no order: sort numbers, or read the loss on one pair.")
        return x

    @staticmethod
    def total(x: Any) -> Any:
        return np.sum(x, axis=-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool) -> Any:
        import sympy

        return Symbolic._each(sympy.log, np.sum(Symbolic.exp(x), axis=-1, keepdims=keepdims))

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        import sympy

        tails = np.add.accumulate(Symbolic.exp(x)[..., ::-1], axis=-1)[..., ::-1]
        return Symbolic._each(sympy.log, tails)

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        return np.sum(Symbolic.exp(log_probs) * values, axis=-1)


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


def exp(x: Any) -> Any:
    """e^x."""
    return namespace(x).exp(x)


def softplus(x: Any) -> Any:
    """log(1 + e^x), exact at both ends.

    >>> softplus(np.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.6931471805599453, 10000.0]
    """
    return namespace(x).softplus(x)


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
