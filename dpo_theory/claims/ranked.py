"""A ranking as its first choice and the rest: the shape in which statements for every length are proved by induction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from dpo_theory.proof import Row

__all__ = ["Ranked", "drawn_without_replacement", "mass"]


class Ranked:
    """An array whose first entry is `first` and whose other entries are `rest`, of symbolic length.

    Args:
        first: SymPy expression, the entry at the top.
        rest: the other entries, a Row or again a Ranked; None where nothing follows.

    The formulas run on it unchanged: arithmetic is entrywise, sums and tail sums split off the first entry.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, first: Any, rest: Any) -> None:
        self.first = sp.sympify(first)
        self.rest = rest

    def __getitem__(self, index: Any) -> Any:
        """`[..., 1:]`, what follows the first; `[..., :k]`, the first k entries, k at most the number of explicit ones."""
        part = index[1]
        if part.start == 1 and part.stop is None:
            return self.rest
        if part.start is not None or part.stop is None:
            raise ValueError(f"a ranking is cut as [..., 1:] or [..., :k], got {part}")
        return Ranked(self.first, None if part.stop == 1 else self.rest[..., : part.stop - 1])

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Ranked:
        first, rest = (other.first, other.rest) if isinstance(other, Ranked) else (sp.sympify(other),) * 2
        return Ranked(function(self.first, first), None if self.rest is None else self.rest._with(rest, function))

    def __add__(self, other: Any) -> Ranked:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Ranked:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Ranked:
        return self._with(other, lambda a, b: a * b)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Ranked:
        return self._with(other, lambda a, b: a / b)

    class __dpo_namespace__:
        """The primitives of `dpo_theory._xp` that rankings use."""

        symbolic = True

        @staticmethod
        def total(x: Any) -> Any:
            if x is None:
                return sp.S.Zero
            return x.sum() if isinstance(x, Row) else x.first + x.__dpo_namespace__.total(x.rest)

        @staticmethod
        def logsumexp(x: Any, keepdims: bool) -> Any:
            return sp.log(mass(x))

        @staticmethod
        def tail_logsumexp(x: Any) -> Any:
            return x.__dpo_namespace__.tail_logsumexp(x) if isinstance(x, Row) else _tails(x)


def mass(x: Any) -> Any:
    """The sum of e^{x_i} over all entries."""
    if x is None:
        return sp.S.Zero
    return x.each(sp.exp).sum() if isinstance(x, Row) else sp.exp(x.first) + mass(x.rest)


def _tails(x: Ranked) -> Ranked:
    rest = None if x.rest is None else x.__dpo_namespace__.tail_logsumexp(x.rest)
    return Ranked(sp.log(mass(x)), rest)


def drawn_without_replacement(rewards: Any, order: Any) -> float:
    """log P(order) by drawing one answer after the other, each by the softmax of those that are left."""
    left, log_probability = list(order), 0.0
    for item in order:
        scores = rewards[left] - rewards[left].max()
        log_probability += scores[left.index(item)] - np.log(np.exp(scores).sum())
        left.remove(item)
    return log_probability
