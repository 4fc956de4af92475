"""Rows whose index is a pair: answers made of two parts, in any symbolic numbers n and M."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from dpo_theory.proof import Row, Total
from dpo_theory.proof.row import n

__all__ = ["M", "Table", "table"]

M = sp.Symbol("M", integer=True, positive=True)


class Table(Row):
    """A row over the pairs (i, j), i = 1..n, j = 1..M: what a formula sees when the answer has two parts.

    Args:
        cell: (i, j) -> SymPy expression.

    Arithmetic with a `Row` of size n gives every pair (i, j) the row's entry i.
    """

    def __init__(self, cell: Callable[[Any, Any], Any]) -> None:
        super().__init__(lambda i: Row(lambda j: cell(i, j), M))
        self.cell = cell

    def at(self, i: Any, j: Any) -> Any:
        """The entry of the pair (i, j)."""
        return self.cell(i, j)

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Table:
        if isinstance(other, Table):
            return Table(lambda i, j: function(self.cell(i, j), other.cell(i, j)))
        if isinstance(other, Row):
            return Table(lambda i, j: function(self.cell(i, j), other[i]))
        scalar = sp.sympify(other)
        return Table(lambda i, j: function(self.cell(i, j), scalar))

    def each(self, function: Callable[[Any], Any]) -> Table:
        """The table of function(entry)."""
        return Table(lambda i, j: function(self.cell(i, j)))

    def within(self) -> Row:
        """The sums over j: a Row over i."""
        return Row(lambda i: self.term(i).sum())

    def sum(self) -> Any:
        """The sum over all pairs."""
        index = sp.Dummy("i", integer=True, positive=True)
        return Total(self.term(index).sum(), index, sp.Integer(1), n)


def table(name: str) -> Table:
    """A table of free real symbols name[i, j].

    >>> table("r").at(1, 2)
    r[1, 2]
    """
    base = sp.IndexedBase(name, real=True)
    return Table(lambda i, j: base[i, j])
