"""Preferences with names: counts of wins, ties and rankings over named items in named contexts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array

__all__ = ["Preferences", "count_ties", "no_ties"]


@dataclass(frozen=True, eq=False)
class Preferences:
    """What a file or table said, counted.

    Args:
        source: the name of the file, table or example.
        contexts: X names.
        items: names; an item belongs to the contexts whose rows mention it.
        wins: Comparisons, one row per distinct (context, chosen, rejected), weight its count.
        ties: Ties, one row per distinct (context, left, right), left < right, weight its count.
        rankings: Rankings of one length each; with rankings there are no wins and no ties.
        rows: how many rows were read.
        notes: what a reader of the result must know about the reading, a sentence each.
    """

    source: str
    contexts: tuple[str, ...]
    items: tuple[str, ...]
    wins: Comparisons
    ties: Ties
    rankings: tuple[Rankings, ...] = ()
    rows: int = 0
    notes: tuple[str, ...] = ()

    @property
    def observations(self) -> float:
        """Comparisons or rankings, each with its weight."""
        if self.rankings:
            return float(sum(np.sum(block.weight) for block in self.rankings))
        return float(self.wins.weight.sum() + self.ties.weight.sum())

    def pooled(self) -> Preferences:
        """The same preferences with every context merged into one."""
        if len(self.contexts) <= 1:
            return self
        wins = self.wins._replace(context=np.zeros_like(self.wins.context)).aggregate()
        ties = count_ties(self.ties._replace(context=np.zeros_like(self.ties.context)))
        rankings = tuple(block._replace(context=np.zeros_like(block.context)) for block in self.rankings)
        note = f"{len(self.contexts)} prompts were pooled."
        return replace(self, contexts=("all prompts",), wins=wins, ties=ties, rankings=rankings, notes=(*self.notes, note))

    def only(self, keys: Array) -> Preferences:
        """The preferences among the nodes context * items + item in `keys`; rankings skip the others, empty contexts go."""

        def kept(context: Array, item: Array) -> Array:
            return np.isin(context * len(self.items) + item, keys)

        wins, ties = self.wins, self.ties
        stays = kept(wins.context, wins.chosen) & kept(wins.context, wins.rejected)
        wins = Comparisons(*(None if column is None else column[stays] for column in wins))
        stays = kept(ties.context, ties.left) & kept(ties.context, ties.right)
        ties = Ties(*(column[stays] for column in ties))
        pieces = [_shortened(block, kept(block.context[:, None], block.order)) for block in self.rankings]
        rankings = tuple(block for blocks in pieces for block in blocks)
        return replace(self, wins=wins, ties=ties, rankings=rankings)._with_contexts_in_use()

    def _with_contexts_in_use(self) -> Preferences:
        used = np.unique(np.concatenate([self.wins.context, self.ties.context, *(block.context for block in self.rankings)]))
        wins = self.wins._replace(context=np.searchsorted(used, self.wins.context))
        ties = self.ties._replace(context=np.searchsorted(used, self.ties.context))
        rankings = tuple(block._replace(context=np.searchsorted(used, block.context)) for block in self.rankings)
        names = tuple(self.contexts[index] for index in used)
        return replace(self, contexts=names, wins=wins, ties=ties, rankings=rankings)

    def halved(self) -> Preferences:
        """The same preferences with half of every tie counted as a win of each side."""
        sides = (self.ties.left, self.ties.right)
        context = np.concatenate([self.wins.context, self.ties.context, self.ties.context])
        chosen, rejected = (np.concatenate([c, *s]) for c, s in ((self.wins.chosen, sides), (self.wins.rejected, sides[::-1])))
        weight = np.concatenate([self.wins.weight, self.ties.weight / 2, self.ties.weight / 2])
        return replace(self, wins=Comparisons(context, chosen, rejected, weight).aggregate(), ties=no_ties())


def no_ties() -> Ties:
    """Ties without a row."""
    none = np.zeros(0, dtype=np.int64)
    return Ties(none, none, none, np.zeros(0))


def count_ties(ties: Ties) -> Ties:
    """One row per distinct (context, left, right) with left < right, its weight their sum."""
    low, high = np.minimum(ties.left, ties.right), np.maximum(ties.left, ties.right)
    counted = Comparisons(ties.context, low, high, ties.weight).aggregate()
    return Ties(counted.context, counted.chosen, counted.rejected, counted.weight)


def _shortened(block: Rankings, kept: Array) -> list[Rankings]:
    """The rankings among kept items, by length; a ranking of fewer than two items says nothing."""
    context, order, weight = block
    length = kept.sum(axis=1)
    pieces = []
    for size in np.unique(length[length >= 2]):
        rows = length == size
        pieces.append(Rankings(context[rows], order[rows][kept[rows]].reshape(-1, size), weight[rows]))
    return pieces
