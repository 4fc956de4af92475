"""How often each row was seen."""

from __future__ import annotations

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.table import Chunk, Table, numbers, refuse

__all__ = ["positive_weights"]


def positive_weights(table: Table, chunk: Chunk, column: str | None) -> Array:
    """(N,) how often each row was seen, 1 without a column.

    Raises:
        ValueError: a weight is not a finite number > 0; the message names its line.
    """
    if column is None:
        return np.ones(chunk.size)
    weight = numbers(table, chunk, column)
    if not (weight > 0).all():
        row = int(np.flatnonzero(~(weight > 0))[0])
        found = f"{column} is {chunk.columns[column][row]}, expected a number > 0"
        raise refuse(table, chunk.start + row, found, "Remove a row that was never seen.")
    return weight
