"""The rows of a fit: every item in every context that mentions it, numbered in one sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array
from bandits.graph import comparison_graph
from bandits.ranking import consecutive_wins
from dpo_theory.fitting.preferences import Preferences

__all__ = ["Nodes", "number_nodes"]


@dataclass(frozen=True, eq=False)
class Nodes:
    """M pairs of a context and an item, context by context.

    Args:
        context: (M,) index into the contexts.
        item: (M,) index into the items.
        wins: Comparisons of nodes; of a ranking's neighbours where the data are rankings.
        ties: Ties of nodes.
        rankings: Rankings of nodes.
        component: (M,) label of the connected component of compared nodes.
        strong: (M,) label of the strongly connected component of wins.
        direction: (M,) 1 on the nodes whose rise lowers the loss for ever, 0 elsewhere.
        n_contexts: X.
    """

    context: Array
    item: Array
    wins: Comparisons
    ties: Ties
    rankings: tuple[Rankings, ...]
    component: Array
    strong: Array
    direction: Array
    n_contexts: int

    @cached_property
    def size(self) -> Array:
        """(X,) items in each context."""
        return np.bincount(self.context, minlength=self.n_contexts)

    @cached_property
    def first(self) -> Array:
        """(X,) number of each context's first node."""
        return np.concatenate([[0], np.cumsum(self.size)[:-1]]).astype(np.int64)

    @cached_property
    def n_components(self) -> Array:
        """(X,) connected components in each context."""
        return np.bincount(self.context[np.unique(self.component)], minlength=self.n_contexts)

    @cached_property
    def n_strong(self) -> Array:
        """(X,) strongly connected components in each context."""
        return np.bincount(self.context[np.unique(self.strong)], minlength=self.n_contexts)

    @cached_property
    def determined(self) -> Array:
        """(X,) one strongly connected component of two items or more: the estimate exists and is unique."""
        return (self.n_strong == 1) & (self.size >= 2)

    @cached_property
    def appearances(self) -> Array:
        """(M,) comparisons, ties and rankings that mention each node, by weight."""
        wins, ties = self.wins, self.ties
        if self.rankings:
            ends = [(block.order.reshape(-1), np.repeat(block.weight, block.order.shape[1])) for block in self.rankings]
        else:
            ends = [(wins.chosen, wins.weight), (wins.rejected, wins.weight), (ties.left, ties.weight), (ties.right, ties.weight)]
        node, weight = (np.concatenate(column) for column in zip(*ends, strict=True))
        return np.bincount(node, weights=weight, minlength=len(self.context))

    def within(self, contexts: Array) -> tuple[Comparisons, Ties]:
        """The wins and ties of the contexts marked True in `contexts`, (X,)."""
        mine, tied = contexts[self.context[self.wins.chosen]], contexts[self.context[self.ties.left]]
        wins = Comparisons(*(None if column is None else column[mine] for column in self.wins))
        return wins, Ties(*(column[tied] for column in self.ties))

    def largest(self) -> Array:
        """(M,) True in the largest strongly connected component of each context, the first of equals."""
        label, size = np.unique(self.strong, return_counts=True)
        home = self.context[label]
        order = np.lexsort((label, -size, home))
        _, lead = np.unique(home[order], return_index=True)
        return np.isin(self.strong, label[order][lead])


def number_nodes(data: Preferences, *, ties_connect: bool) -> Nodes:
    """Number the nodes of a data set and read its graph.

    Args:
        data: the preferences.
        ties_connect: a tie is an edge each way; otherwise it only makes its items known.
    """
    n_items = max(len(data.items), 1)
    blocks = [np.asarray(block.context)[:, None] * n_items + block.order for block in data.rankings]
    wins, ties = data.wins, data.ties
    keys = [wins.context * n_items + wins.chosen, wins.context * n_items + wins.rejected]
    tied = [ties.context * n_items + ties.left, ties.context * n_items + ties.right]
    nodes = np.unique(np.concatenate([*keys, *tied, *(block.reshape(-1) for block in blocks)]))

    def at(key: Array) -> Array:
        return np.searchsorted(nodes, key)

    rankings = tuple(
        Rankings(np.zeros(len(keyed), dtype=np.int64), at(keyed), block.weight) for keyed, block in zip(blocks, data.rankings, strict=True)
    )
    numbered = Comparisons(np.zeros_like(wins.context), at(keys[0]), at(keys[1]), wins.weight, wins.target)
    numbered_ties = Ties(np.zeros_like(ties.context), at(tied[0]), at(tied[1]), ties.weight)
    edges = consecutive_wins(rankings) if rankings else numbered
    graph = comparison_graph(edges, len(nodes), n_contexts=1, ties=numbered_ties if ties_connect else None)
    return Nodes(
        nodes // n_items, nodes % n_items, numbered, numbered_ties, rankings,
        graph.component[0], graph.strong[0], graph.direction[0], len(data.contexts),
    )  # fmt: skip
