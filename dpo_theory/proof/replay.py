"""An evaluator of its own: expressions with symbolic sums at n = 1, 2, 3, 4 in 60-digit arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from dpo_theory.proof.row import Total

__all__ = ["evaluate"]


def evaluate(e: Any, values: Mapping[Any, Any]) -> Any:
    """The value of an expression, by recursion over its tree; SymPy's own evaluation is not used.

    Args:
        e: SymPy expression with `Total` sums.
        values: Symbol -> number; IndexedBase -> nested list with entry 1 first.

    Returns:
        An mpmath number at the current precision.

    Raises:
        KeyError: a symbol has no value.
        ValueError: a function that the evaluator does not know.

    >>> from dpo_theory.proof.row import n, row
    >>> int(evaluate(row("r").sum(), {sp.IndexedBase("r", real=True): [1, 2], n: 2}))
    3
    """
    import mpmath as mp

    if e.is_Rational:
        return mp.mpf(int(e.p)) / int(e.q)
    if e.is_NumberSymbol:
        return mp.mpf(sp.N(e, mp.mp.dps + 5))
    if e.is_Symbol:
        return mp.mpf(values[e]) if not isinstance(values[e], mp.mpf) else values[e]
    if isinstance(e, Total):
        body, index, low, high = e.args
        first, last = (int(evaluate(bound, values)) for bound in (low, high))
        return mp.fsum(evaluate(body, {**values, index: mp.mpf(i)}) for i in range(first, last + 1))
    if isinstance(e, sp.Indexed):
        entry = values[e.base]
        for index in e.indices:
            entry = entry[int(evaluate(index, values)) - 1]
        return mp.mpf(entry)
    if e.is_Add:
        return mp.fsum(evaluate(arg, values) for arg in e.args)
    if e.is_Mul:
        return mp.fprod(evaluate(arg, values) for arg in e.args)
    if isinstance(e, sp.exp):
        return mp.exp(evaluate(e.exp, values))
    if e.is_Pow:
        return evaluate(e.base, values) ** evaluate(e.exp, values)
    if isinstance(e, sp.log):
        return mp.log(evaluate(e.args[0], values))
    if isinstance(e, sp.Function) and e.func in values:
        return values[e.func](*(evaluate(arg, values) for arg in e.args))
    raise ValueError(f"the replay does not know {e.func.__name__} in {e}")
