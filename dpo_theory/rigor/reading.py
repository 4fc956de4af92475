"""A loss's exact derivatives as functions of balls, from its symbolic reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp

from bandits.data import PairLogProbs, RankedLogProbs
from dpo_theory.proof.normal import nonnegative

__all__ = ["Derivatives", "pair_derivatives", "ranked_derivatives"]


@dataclass(frozen=True)
class Derivatives:
    """First and second derivatives of one comparison's loss in the policy's log-probabilities.

    Args:
        size: how many log-probabilities it sees: 2 for a pair, K for a ranking.
        evaluate: (log_probs, log_refs, arithmetic) -> (first (size,), second (size, size) as rows of the upper triangle).
        convex: the loss is a convex function of differences of log-ratios, shown by the form of its second derivative.
    """

    size: int
    evaluate: Callable[[list[Any], list[Any], Any], tuple[list[Any], list[list[Any]]]]
    convex: bool


@lru_cache(maxsize=64)
def pair_derivatives(loss: Callable[[PairLogProbs], Any]) -> Derivatives:
    """Derivatives of a pair loss in (log pi(y_w|x), log pi(y_l|x)).

    Raises:
        ValueError: the loss is opaque, is not smooth, or detaches a value.
    """
    from dpo_theory.reading import read

    reading = read(loss)
    if reading.expression is None:
        raise _unread(loss, reading.opaque)
    a, b, c, d = reading.symbols
    expression = _smooth(reading.expression, loss)
    m = sp.Symbol("m", real=True)
    on_margin = expression.subs({b: 0, c: 0, d: 0}).subs(a, m)
    convex = _same(expression, on_margin.subs(m, a - b - c + d)) and _nonnegative(sp.diff(on_margin, m, 2))
    return Derivatives(2, _compiled(expression, [a, b], [c, d]), convex)


@lru_cache(maxsize=64)
def ranked_derivatives(loss: Callable[[RankedLogProbs], Any], size: int) -> Derivatives:
    """Derivatives of a ranking loss in the K log-probabilities, best first.

    Raises:
        ValueError: the loss cannot be read on SymPy symbols.
    """
    import numpy as np

    policy, ref = (sp.symbols(f"{name}:{size}", real=True) for name in "ac")
    try:
        expression = sp.sympify(loss(RankedLogProbs(np.array(policy, dtype=object), np.array(ref, dtype=object))))
    except Exception as error:  # whatever a foreign callable raises on symbols
        raise _unread(loss, f"{type(error).__name__}: {error}") from None
    return Derivatives(size, _compiled(_smooth(expression, loss), list(policy), list(ref)), False)


def _unread(loss: Any, why: str) -> ValueError:
    return ValueError(
        f"{loss!r} cannot be read as an expression ({why}), so its optimum cannot be enclosed. "
        "Write it with the primitives of dpo_theory._xp, or with plain NumPy or torch functions."
    )


def _smooth(expression: Any, loss: Any) -> Any:
    from dpo_theory.reading import Detached

    if expression.has(sp.Max, sp.Min, sp.Abs, sp.Piecewise, sp.sign, sp.Heaviside):
        raise ValueError(f"{loss!r} is not smooth, so Newton's method cannot enclose its optimum.")
    if expression.has(Detached):
        raise ValueError(f"{loss!r} detaches a value: its gradient is not the derivative of its value, and there is no optimum of both.")
    return expression.replace(lambda e: e.is_Float, lambda e: sp.Rational(e))  # a double is a dyadic rational


def _same(left: Any, right: Any) -> bool:
    return left == right or sp.expand(left - right) == 0 or sp.simplify(left - right) == 0


def _nonnegative(e: Any) -> bool:
    m = next(iter(e.free_symbols), None)
    if m is None:
        return bool(e >= 0)
    x = sp.Symbol("x", positive=True)
    rates = sorted({abs(f.exp.coeff(m)) for f in e.atoms(sp.exp)} - {0})
    if not rates:
        return nonnegative(e)
    in_x = sp.factor(sp.cancel(sp.together(sp.expand(e.subs(m, sp.log(x) / rates[0])))))
    return nonnegative(in_x)


def _compiled(expression: Any, policy: list[Any], ref: list[Any]) -> Callable[..., Any]:
    size = len(policy)
    first = [sp.diff(expression, v) for v in policy]
    second = [sp.diff(first[i], policy[j]) for i in range(size) for j in range(i, size)]
    outputs = first + second
    rationals = sorted({r for e in outputs for r in e.atoms(sp.Rational) if not r.is_Integer}, key=str)
    stand_ins = sp.symbols(f"q:{len(rationals)}", real=True)
    outputs = [e.xreplace(dict(zip(rationals, stand_ins, strict=True))) for e in outputs]
    cache: dict[str, Any] = {}

    def evaluate(log_probs: list[Any], log_refs: list[Any], arithmetic: Any) -> tuple[list[Any], list[list[Any]]]:
        if arithmetic.name not in cache:
            modules = [{"exp": arithmetic.exp, "log": arithmetic.log}]
            cache[arithmetic.name] = sp.lambdify([*policy, *ref, *stand_ins], outputs, modules=modules, cse=True)
        constants = [arithmetic.exact(Fraction(int(r.p), int(r.q))) for r in rationals]
        values = cache[arithmetic.name](*log_probs, *log_refs, *constants)
        rows, position = [], size
        for i in range(size):
            rows.append(list(values[position : position + size - i]))
            position += size - i
        return list(values[:size]), rows

    return evaluate
