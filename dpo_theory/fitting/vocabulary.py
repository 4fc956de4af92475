"""Names numbered in the order in which they first appear."""

from __future__ import annotations

from itertools import chain

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.table import Chunk, Table, refuse

__all__ = ["Vocabulary"]


class Vocabulary(dict):
    """name -> number.

    >>> names = Vocabulary()
    >>> names["b"], names["a"], names["b"]
    (0, 1, 0)
    """

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        return number

    def codes(self, table: Table, chunk: Chunk, *columns: str) -> Array:
        """(N, C) numbers of the names in C columns, which are met row by row.

        Raises:
            ValueError: a name is empty; the message names its line.
        """
        texts = chain.from_iterable(zip(*(chunk.columns[column] for column in columns), strict=True))
        count = chunk.size * len(columns)
        found = np.fromiter(map(self.__getitem__, texts), dtype=np.int64, count=count).reshape(-1, len(columns))
        if "" in self:
            row, place = (int(index) for index in np.argwhere(found == self[""])[0])
            raise refuse(table, chunk.start + row, f"{columns[place]} is empty", "Fill it in, or remove the row.")
        return found
