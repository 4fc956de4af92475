"""Rows of a file or table, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bandits.door import Array

__all__ = ["CHUNK", "Chunk", "Table", "numbers", "refuse", "require_header"]

CHUNK = 1 << 11


class Chunk(NamedTuple):
    """Some rows: the wanted columns as text, and the number, from 0, of the first of them among all rows."""

    columns: Mapping[str, Sequence[str]]
    start: int
    size: int


@dataclass(frozen=True)
class Table:
    """A source of rows.

    Args:
        name: for messages.
        unit: `line` of a file or `row` of a table.
        header: the columns.
        chunks: the rows, given the wanted columns.
        line_of: the line, from 1, on which the row of a number begins.
        remarks: what was odd about the rows read so far, a sentence each.
    """

    name: str
    unit: str
    header: tuple[str, ...]
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]
    line_of: Callable[[int], int]
    remarks: list[str] = field(default_factory=list)


def refuse(table: Table, row: int, found: str, remedy: str) -> ValueError:
    """The refusal of a row, counted from 0: on which line it is, what was found there, and what to do."""
    return ValueError(f"{table.name}, {table.unit} {table.line_of(row)}: {found}. {remedy}")


def require_header(header: Sequence[str], name: str) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        ValueError: a name occurs twice.
    """
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise ValueError(f"{name} has two columns named {twice!r}. Rename one of them.")
    return tuple(header)


def numbers(table: Table, chunk: Chunk, column: str) -> Array:
    """(N,) a column as finite numbers.

    Raises:
        ValueError: an entry is no finite number; the message names its line.
    """
    texts = chunk.columns[column]
    try:
        found = np.array(texts, dtype=np.float64)
    except ValueError:
        found = np.array([_number(text) for text in texts])
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found))[0])
        raise refuse(table, chunk.start + row, f"{column} is {repr(texts[row]) if texts[row] else 'empty'}", "Write a finite number.")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
