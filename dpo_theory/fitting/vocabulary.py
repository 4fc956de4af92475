"""Names numbered in the order in which they first appear."""

from __future__ import annotations

from itertools import chain

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.table import Chunk, Table, refuse

__all__ = ["Vocabulary"]


class Vocabulary(dict):
    """name -> number; `unfit` is a name that no row may have, once one was met.

    >>> names = Vocabulary()
    >>> names["b"], names["a"], names["b"]
    (0, 1, 0)
    """

    unfit: str | None = None

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        if self.unfit is None and (not name or "\0" in name):
            self.unfit = name
        return number

    def codes(self, table: Table, chunk: Chunk, *columns: str) -> Array:
        """(N, C) numbers of the names in C columns, which are met row by row.

        Raises:
            ValueError: a name is empty or holds a zero byte; the message names its line.
        """
        texts = chain.from_iterable(zip(*(chunk.columns[column] for column in columns), strict=True))
        count = chunk.size * len(columns)
        found = np.fromiter(map(self.__getitem__, texts), dtype=np.int64, count=count).reshape(-1, len(columns))
        if self.unfit is not None:
            row, place = (int(index) for index in np.argwhere(found == self[self.unfit])[0])
            if self.unfit:
                raise refuse(table, chunk.start + row, f"{columns[place]} holds a zero byte", "This may not be a text file.")
            raise refuse(table, chunk.start + row, f"{columns[place]} is empty", "Fill it in, or remove the row.")
        return found
