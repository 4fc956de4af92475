"""What SymPy makes of the primitives of `_xp`. Reductions run over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Symbolic"]


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
    def expm1(x: Any) -> Any:
        return Symbolic.exp(x) - 1

    @staticmethod
    def log1mexp(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.log(1 - sympy.exp(v)), x)

    @staticmethod
    def tangent_exp(x: Any, ceiling: float) -> Any:
        return Symbolic.exp(x)

    @staticmethod
    def tangent_expm1(x: Any, ceiling: float) -> Any:
        return Symbolic.expm1(x)

    @staticmethod
    def log(x: Any) -> Any:
        import sympy

        return Symbolic._each(sympy.log, x)

    @staticmethod
    def clip(x: Any, bound: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.Max(sympy.Min(v, bound), -bound), x)

    @staticmethod
    def step(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.Piecewise((1, v >= 0), (0, True)), x)

    @staticmethod
    def detached(x: Any) -> Any:
        return x

    @staticmethod
    def stacked(*columns: Any) -> Any:
        return np.stack([np.asarray(column, dtype=object) for column in columns], axis=-1)

    @staticmethod
    def joined(*columns: Any) -> Any:
        return np.concatenate([np.atleast_1d(np.asarray(column, dtype=object)) for column in columns])

    @staticmethod
    def softplus(x: Any) -> Any:
        import sympy

        return Symbolic._each(lambda v: sympy.log(1 + sympy.exp(v)), x)

    @staticmethod
    def softplus_of(x: Any, exponential: Any) -> Any:
        return Symbolic.softplus(x)

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
