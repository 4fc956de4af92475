"""An array with a symbolic number of entries, and the sum over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

__all__ = ["Row", "Total", "n", "row"]

n = sp.Symbol("n", integer=True, positive=True)


class Total(sp.Function):
    """Total(body, i, lo, hi) = sum of body over i = lo..hi, unevaluated.

    SymPy's own Sum flattens nested sums and evaluates in places; this one is only ever rewritten by `normal.nf`.
    """

    nargs = 4
    is_real = True

    @classmethod
    def eval(cls, body: Any, index: Any, low: Any, high: Any) -> None:
        return None

    def _eval_derivative(self, symbol: Any) -> Any:
        body, index, low, high = self.args
        slope = body.diff(symbol)
        return sp.S.Zero if slope == 0 else Total(slope, index, low, high)

    def _latex(self, printer: Any, **_: Any) -> str:
        body, index, low, high = self.args
        inner = printer._print(body)
        if body.is_Add:
            inner = rf"\left({inner}\right)"
        return rf"\sum_{{{printer._print(index)}={printer._print(low)}}}^{{{printer._print(high)}}} {inner}"

    def _sympystr(self, printer: Any) -> str:
        body, index, low, high = self.args
        over = f"{index}={low}..{high}"
        return f"sum[{over}]({printer._print(body)})"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sp.Sum(self.args[0], tuple(self.args[1:])))


class Row:
    """The array that a running formula sees: entry i is `term(i)`, i = 1..size.

    Args:
        term: index -> SymPy expression.
        size: the symbolic number of entries.

    Arithmetic with another Row of the same size is entrywise, with a scalar it broadcasts, as on arrays.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, term: Callable[[Any], Any], size: Any = n) -> None:
        self.term = term
        self.size = size

    def __getitem__(self, index: Any) -> Any:
        """Entry `index` (1-based, symbolic or not); a slice `[..., start:]` drops the first entries."""
        if isinstance(index, tuple) and len(index) == 2 and index[0] is Ellipsis and isinstance(index[1], slice):
            return self._slice(index[1])
        return self.term(sp.sympify(index))

    def _slice(self, part: slice) -> Row:
        if part.step is not None:
            raise ValueError("a Row slice takes no step")
        start = 0 if part.start is None else part.start
        stop = self.size if part.stop is None else part.stop
        return Row(lambda i: self.term(i + start), stop - start)

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Row:
        if isinstance(other, Row):
            if sp.simplify(other.size - self.size) != 0:
                raise ValueError(f"rows of {self.size} and {other.size} entries do not match")
            return Row(lambda i: function(self.term(i), other.term(i)), self.size)
        scalar = sp.sympify(other)
        return Row(lambda i: function(self.term(i), scalar), self.size)

    def each(self, function: Callable[[Any], Any]) -> Row:
        """The row of function(entry)."""
        return Row(lambda i: function(self.term(i)), self.size)

    def sum(self) -> Any:
        """The sum of all entries."""
        index = sp.Dummy("i", integer=True, positive=True)
        return Total(self.term(index), index, sp.Integer(1), self.size)

    def __add__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b + a)

    def __sub__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Row:
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, power: Any) -> Row:
        return self._with(power, lambda a, b: a**b)

    def __neg__(self) -> Row:
        return self.each(lambda a: -a)

    class __dpo_namespace__:
        """The primitives of `dpo_theory._xp` on rows."""

        symbolic = True

        @staticmethod
        def exp(x: Any) -> Any:
            return x.each(sp.exp)

        @staticmethod
        def softplus(x: Any) -> Any:
            return x.each(lambda v: sp.log(1 + sp.exp(v)))

        @staticmethod
        def sigmoid(x: Any) -> Any:
            return x.each(lambda v: 1 / (1 + sp.exp(-v)))

        @staticmethod
        def total(x: Any) -> Any:
            return x.sum()

        @staticmethod
        def logsumexp(x: Any, keepdims: bool) -> Any:
            return sp.log(x.each(sp.exp).sum())

        @staticmethod
        def tail_logsumexp(x: Any) -> Any:
            def tail(i: Any) -> Any:
                index = sp.Dummy("j", integer=True, positive=True)
                return sp.log(Total(sp.exp(x.term(index)), index, i, x.size))

            return Row(tail, x.size)

        @staticmethod
        def expect(log_probs: Any, values: Any) -> Any:
            return (log_probs.each(sp.exp) * values).sum()


def row(name: str, size: Any = n) -> Row:
    """A row of free real symbols name[1], name[2], ..., name[size].

    >>> row("r").sum()
    sum[_i=1..n](r[_i])
    """
    base = sp.IndexedBase(name, real=True)
    return Row(lambda i: base[i], size)
