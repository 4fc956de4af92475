"""Counts of triples (context, first, second), compacted as they come."""

from __future__ import annotations

import numpy as np

from bandits.data import Comparisons, Ties
from bandits.door import Array

__all__ = ["Tally"]

_PENDING = 1 << 20


class Tally:
    """Distinct triples and their weights; memory grows with the distinct ones.

    >>> tally = Tally()
    >>> tally.add(np.array([0, 0]), np.array([1, 1]), np.array([2, 2]), np.ones(2))
    >>> tally.comparisons().weight.tolist()
    [2.0]
    """

    def __init__(self) -> None:
        none = np.zeros(0, dtype=np.int64)
        self._counted: tuple[Array, ...] = (none, none, none, np.zeros(0))
        self._pending: list[tuple[Array, ...]] = []
        self._waiting = 0

    def add(self, context: Array, first: Array, second: Array, weight: Array) -> None:
        """Count (N,) triples."""
        self._pending.append((context, first, second, weight))
        self._waiting += len(context)
        if self._waiting > max(_PENDING, len(self._counted[0])):
            self._compact()

    def comparisons(self) -> Comparisons:
        """The triples as (context, chosen, rejected)."""
        context, first, second, weight = self._compact()
        return Comparisons(context, first, second, weight, np.ones(len(weight)))

    def ties(self) -> Ties:
        """The triples as (context, left, right)."""
        return Ties(*self._compact())

    def _compact(self) -> tuple[Array, ...]:
        if self._waiting:
            parts = [self._counted, *self._pending]
            context, first, second, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
            pairs, pair = np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)
            _, where, inverse = np.unique(context * len(pairs) + pair, return_index=True, return_inverse=True)
            total = np.bincount(inverse, weights=weight)
            self._counted, self._pending, self._waiting = (context[where], first[where], second[where], total), [], 0
        return self._counted
