"""Rankings from rows: one entry to a row (long), or one ranking to a row (wide)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bandits.data import Rankings
from bandits.door import Array
from dpo_theory.fitting.columns import Layout
from dpo_theory.fitting.table import Chunk, Table, numbers, refuse
from dpo_theory.fitting.vocabulary import Vocabulary
from dpo_theory.fitting.weights import positive_weights

__all__ = ["read_long", "read_wide"]


def read_wide(table: Table, layout: Layout, contexts: Vocabulary, items: Vocabulary) -> tuple[tuple[Rankings, ...], int]:
    """Rankings with one column for each place, and the number of rows.

    Raises:
        ValueError: a place is empty, an item stands in two places, or a weight is not positive.
    """
    found: tuple[Array, ...] = (np.zeros(0, dtype=np.int64), np.zeros((0, len(layout.wide)), dtype=np.int64), np.zeros(0))
    rows = 0
    for chunk in table.chunks(layout.names):
        rows += chunk.size
        context = _contexts(table, layout, chunk, contexts)
        order = items.codes(table, chunk, *layout.wide)
        weight = positive_weights(table, chunk, layout.roles.get("weight"))
        ordered = np.sort(order, axis=1)
        repeats = ordered[:, 1:] == ordered[:, :-1]
        if repeats.any():
            row = int(np.flatnonzero(repeats.any(axis=1))[0])
            name = list(items)[ordered[row, 1:][repeats[row]][0]]
            raise refuse(table, chunk.start + row, f"{name!r} stands in two places", "Rank each item once.")
        found = _counted(*(np.concatenate(pair) for pair in zip(found, (context, order, weight), strict=True)))
    return ((Rankings(*found),) if rows else ()), rows


def read_long(table: Table, layout: Layout, contexts: Vocabulary, items: Vocabulary) -> tuple[tuple[Rankings, ...], int]:
    """Rankings with one row for each entry, and the number of rows; the rows of a group may stand apart.

    Raises:
        ValueError: two entries of a group share a position or an item, a group has one entry, or a position is no number.
    """
    groups = Vocabulary()

    def coded(chunk: Chunk) -> tuple[Array, ...]:
        context, roles = _contexts(table, layout, chunk, contexts), layout.roles
        group, item = groups.codes(table, chunk, roles["group"]), items.codes(table, chunk, roles["item"])
        return context, group[:, 0], item[:, 0], numbers(table, chunk, roles["position"])

    columns = [coded(chunk) for chunk in table.chunks(layout.names)]
    if not columns:
        return (), 0
    context, group, item, position = (np.concatenate(column) for column in zip(*columns, strict=True))
    _, race = np.unique(context * len(groups) + group, return_inverse=True)
    _refuse_twice(table, race, position, lambda row: f"position {position[row]:g} of {_name(groups, group, row)} is taken")
    _refuse_twice(table, race, item, lambda row: f"{_name(items, item, row)} stands in {_name(groups, group, row)} already")
    order = np.lexsort((position, race))
    start = np.flatnonzero(np.diff(race[order], prepend=-1))
    length = np.diff(np.append(start, len(order)))
    if (length < 2).any():
        row = int(order[start[length < 2][0]])
        found = f"{_name(items, item, row)} is the only entry of {_name(groups, group, row)}"
        raise refuse(table, row, found, "A ranking needs two items: remove the row, or complete the ranking.")
    blocks = []
    for size in np.unique(length):
        begin = start[length == size]
        rows = order[begin[:, None] + np.arange(size)]
        blocks.append(Rankings(*_counted(context[rows[:, 0]], item[rows], np.ones(len(rows)))))
    return tuple(blocks), len(order)


def _contexts(table: Table, layout: Layout, chunk: Chunk, contexts: Vocabulary) -> Array:
    if "prompt" not in layout.roles:
        return np.zeros(chunk.size, dtype=np.int64)
    return contexts.codes(table, chunk, layout.roles["prompt"])[:, 0]


def _refuse_twice(table: Table, race: Array, value: Array, found: Callable[[int], str]) -> None:
    order = np.lexsort((value, race))
    again = (np.diff(race[order]) == 0) & (np.diff(value[order]) == 0)
    if again.any():
        row = int(order[1:][again].min())
        earlier = int(np.flatnonzero((race == race[row]) & (value == value[row]))[0])
        remark = f"{found(row)} (see {table.unit} {table.line_of(earlier)})"
        raise refuse(table, row, remark, "Each must occur once.")


def _name(names: Vocabulary, codes: Array, row: int) -> str:
    return repr(list(names)[codes[row]])


def _counted(context: Array, order: Array, weight: Array) -> tuple[Array, Array, Array]:
    table, inverse = np.unique(np.column_stack([context, order]), axis=0, return_inverse=True)
    return table[:, 0], table[:, 1:], np.bincount(inverse.reshape(-1), weights=weight)
