"""One formula, three readings: NumPy arrays give numbers, torch tensors gradients, SymPy symbols the theorem.

`namespace(*values)` is the backend that the values belong to. Every backend has the same few stable primitives; a value of
another kind joins by carrying `__dpo_namespace__`, as the symbolic rows of `dpo_theory.proof` do. Reductions run over the last axis.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = [
    "exp",
    "expect",
    "is_symbolic",
    "log_sigmoid",
    "logsumexp",
    "namespace",
    "sigmoid",
    "softplus",
    "tail_logsumexp",
    "total",
]


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
        return np.sum(np.exp(log_probs) * np.where(np.isneginf(log_probs), 0.0, values), axis=-1)


class Torch:
    """Tensors on any device; every primitive has exact first and second derivatives."""

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

        supported = log_probs > -torch.inf
        weight = torch.exp(torch.where(supported, log_probs, 0.0))
        return (torch.where(supported, weight, 0.0) * torch.where(supported, values, 0.0)).sum(-1)


class Symbolic:
    """SymPy expressions, and object arrays of them for a fixed number of actions."""

    symbolic = True

    @staticmethod
    def _each(function: Any, x: Any) -> Any:
        return np.frompyfunc(function, 1, 1)(x) if isinstance(x, np.ndarray) else function(x)

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
    if sympy is not None and any(isinstance(value, sympy.Basic) for value in values):
        return Symbolic
    if any(isinstance(value, np.ndarray) and value.dtype == object for value in values):
        return Symbolic
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return Torch
    return NumPy


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
