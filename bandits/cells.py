"""Many small contexts in which most pairs were compared, as a table with a place for every ordered pair of actions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bandits.closures import WIDEST
from bandits.data import Comparisons
from bandits.door import Array
from bandits.problem import TabularBandit
from bandits.rows import Rows, compared_columns

__all__ = ["Cells", "read_cells"]


@dataclass(frozen=True, eq=False)
class Cells:
    """The unique comparisons of X contexts of A actions, E = A (A - 1) / 2 pairs in each.

    Args:
        bandit: the problem.
        weight: (2, E, X) in the order of `numpy.triu_indices`: first those in which the earlier action of the pair was chosen, then
            those in which the later was. They sum to 1 within each context; 0 where there is no comparison.
        share: (X,) the contexts' weights in the objective; 0 for a context without data.
    """

    bandit: TabularBandit
    weight: Array
    share: Array

    ranked = False
    target = None

    def __len__(self) -> int:
        return len(self._found)

    @cached_property
    def compared(self) -> Array:
        """(2, E, X) whether there is a comparison."""
        return self.weight > 0

    @cached_property
    def _found(self) -> Array:
        return np.flatnonzero(self.compared.reshape(-1))

    def take(self, index: Array) -> Rows:
        """The rows at `index`, to look at."""
        return self._rows(self._found[index])

    def listed(self) -> Rows:
        """All rows, in the order of their contexts."""
        found = self._found
        return self._rows(found[np.argsort(found % len(self.share), kind="stable")])

    def without(self, contexts: Array) -> Cells:
        """The rows of all but the marked contexts, (X,)."""
        return Cells(self.bandit, np.where(contexts, 0.0, self.weight), self.share)

    def _rows(self, cell: Array) -> Rows:
        place, context = np.divmod(cell, len(self.share))
        first, second = np.triu_indices(self.bandit.n_actions, 1)
        ends = np.stack([np.concatenate([first, second]), np.concatenate([second, first])], axis=1)
        return Rows(self.bandit, context, ends[place], self.weight.reshape(-1)[cell], self.share, None, False)


def read_cells(bandit: TabularBandit, data: Any) -> Cells | None:
    """Comparisons of many small contexts, counted; None where rows are the better way.

    Raises:
        ValueError: as for `bandits.rows.read_rows`.

    >>> bandit = TabularBandit([0.5, 0.5], np.zeros((2, 2)), np.log(np.full((2, 2), 0.5)), beta=1.0)
    >>> read_cells(bandit, Comparisons([0, 0, 1, 1], [0, 1, 1, 1], [1, 0, 0, 0])).weight.tolist()
    [[[0.5, 0.0]], [[0.5, 1.0]]]
    """
    x, a = bandit.reward.shape
    fits = isinstance(data, Comparisons) and data.target is None and x > 1 and a <= WIDEST
    if not fits or x * a * (a - 1) > 2 * np.asarray(data.context).size or not bandit.support.all():
        return None
    context, chosen, rejected, counted, _ = compared_columns(bandit, data)
    first, second = np.triu_indices(a, 1)
    key = chosen * a
    key += rejected
    key *= x
    key += context
    counts = np.bincount(key, weights=counted, minlength=a * a * x).reshape(a, a, x)
    counts = counts[np.concatenate([first, second]), np.concatenate([second, first])]
    mass = counts.sum(axis=0, dtype=np.float64)
    total = mass.sum()
    if not total > 0:
        return None
    return Cells(bandit, (counts / np.where(mass > 0, mass, 1.0)).reshape(2, len(first), x), mass / total)
