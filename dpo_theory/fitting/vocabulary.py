"""Names numbered in the order in which they first appear."""

from __future__ import annotations

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

    def codes(self, table: Table, chunk: Chunk, column: str) -> Array:
        """(N,) numbers of a column's names.

        Raises:
            ValueError: a name is empty; the message names its line.
        """
        texts = chunk.columns[column]
        found = np.fromiter(map(self.__getitem__, texts), dtype=np.int64, count=len(texts))
        if "" in self:
            row = int(np.flatnonzero(found == self[""])[0])
            raise refuse(table, chunk.start + row, f"{column} is empty", "Fill it in, or remove the row.")
        return found
