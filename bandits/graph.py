"""The graph of compared actions: what is identified, and whether a maximum-likelihood estimate exists.

A win is a directed edge from winner to loser; a comparison with a target strictly between 0 and 1, or a tie, is an edge
each way. Ford's condition: the estimate exists, unique up to a constant per connected component, if and only if every
component is strongly connected. A ranking counts as its consecutive wins; the order is transitive, so the others would
change neither kind of component (Hunter's condition).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.columns import comparison_columns, index_column, ranking_columns, weight_column
from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array

__all__ = ["ComparisonGraph", "comparison_graph"]


@dataclass(frozen=True, eq=False)
class ComparisonGraph:
    """Connectivity of the comparisons, context by context.

    Args:
        component: (X, A) label of the connected component of compared pairs; the smallest action in it.
        strong: (X, A) label of the strongly connected component of wins; the smallest action in it.
        rank: (X,) number of independent reward differences that the data identify.
        exists: (X,) Ford's condition: the maximum-likelihood estimate exists modulo a constant per component.
        direction: (X, A) 0 where the estimate exists; else 1 on actions never beaten from outside their strong
            component, 0 elsewhere: along it no decreasing loss rises, and at least one comparison's falls.
    """

    component: Array
    strong: Array
    rank: Array
    exists: Array
    direction: Array

    @property
    def connected(self) -> Array:
        """(X,) every action is compared, directly or not, with every other."""
        return self.rank == self.component.shape[1] - 1

    def basis(self, context: int = 0) -> Array:
        """(rank, A) rows e_i - e_root, one for each action i that is not the smallest of its component.

        >>> comparison_graph(Comparisons([0, 0], [0, 2], [2, 0]), n_actions=3).basis().tolist()
        [[-1.0, 0.0, 1.0]]
        """
        label = self.component[context]
        moved = np.flatnonzero(label != np.arange(len(label)))
        rows = np.zeros((len(moved), len(label)))
        rows[np.arange(len(moved)), moved] = 1.0
        rows[np.arange(len(moved)), label[moved]] = -1.0
        return rows


def comparison_graph(
    data: Comparisons | Rankings, n_actions: int, *, n_contexts: int | None = None, ties: Ties | None = None
) -> ComparisonGraph:
    """Connected and strongly connected components of a data set, and what follows from them.

    Args:
        data: Comparisons or Rankings; rows of weight 0 and comparisons of an action with itself count nothing.
        n_actions: A.
        n_contexts: X; by default one more than the largest context index seen.
        ties: comparisons that ended in a tie, an edge each way.

    Returns:
        ComparisonGraph.

    Raises:
        ValueError: an index is out of range or not whole, a weight is negative, a target outside [0, 1], a ranking repeats an action.

    Source: Ford 1957, Amer. Math. Monthly 64(8); Hunter 2004, Ann. Statist. 32(1), assumption 1.

    >>> comparison_graph(Comparisons([0, 0, 0], [0, 0, 1], [1, 1, 0]), n_actions=2).exists
    array([ True])
    >>> comparison_graph(Comparisons([0, 0], [0, 1], [1, 2]), n_actions=3).direction
    array([[1., 0., 0.]])
    """
    winner, loser, contexts = _wins(data, ties, n_actions, n_contexts)
    component, strong = _components(winner, loser, contexts * n_actions)
    start = np.repeat(np.arange(contexts) * n_actions, n_actions)
    n_component = np.bincount(np.unique(component) // n_actions, minlength=contexts)
    n_strong = np.bincount(np.unique(strong) // n_actions, minlength=contexts)
    beaten = np.zeros(contexts * n_actions, dtype=bool)
    across = strong[winner] != strong[loser]
    beaten[strong[loser[across]]] = True
    split = np.zeros(contexts * n_actions, dtype=bool)
    split[component[strong != component]] = True
    direction = (split[component] & ~beaten[strong]).astype(np.float64)
    shape = (contexts, n_actions)
    return ComparisonGraph(
        component=(component - start).reshape(shape),
        strong=(strong - start).reshape(shape),
        rank=n_actions - n_component,
        exists=n_strong == n_component,
        direction=direction.reshape(shape),
    )


def _wins(data: Comparisons | Rankings, ties: Ties | None, n_actions: int, n_contexts: int | None) -> tuple[Array, Array, int]:
    pieces = []
    if isinstance(data, Rankings):
        context, order, weight = ranking_columns(data, n_actions, n_contexts)
        context, order = context[weight > 0], order[weight > 0]
        repeated = np.repeat(context, order.shape[1] - 1)
        pieces.append((repeated, order[:, :-1].reshape(-1), order[:, 1:].reshape(-1)))
    elif isinstance(data, Comparisons):
        context, chosen, rejected, weight, target = comparison_columns(data, n_actions, n_contexts)
        won, lost = (weight > 0) & (target > 0), (weight > 0) & (target < 1)
        pieces.append((context[won], chosen[won], rejected[won]))
        pieces.append((context[lost], rejected[lost], chosen[lost]))
    else:
        raise ValueError(f"data is {type(data).__name__}, expected Comparisons or Rankings.")
    seen = context
    if ties is not None:
        context = index_column("ties.context", ties.context, n_contexts)
        left = index_column("ties.left", ties.left, n_actions, length=len(context))
        right = index_column("ties.right", ties.right, n_actions, length=len(context))
        kept = weight_column(ties.weight, len(context)) > 0
        pieces += [(context[kept], left[kept], right[kept]), (context[kept], right[kept], left[kept])]
        seen = np.concatenate([seen, context])
    contexts = n_contexts if n_contexts is not None else int(seen.max(initial=0)) + 1
    winner = np.concatenate([context * n_actions + first for context, first, _ in pieces])
    loser = np.concatenate([context * n_actions + second for context, _, second in pieces])
    return winner, loser, contexts


def _components(winner: Array, loser: Array, n_nodes: int) -> tuple[Array, Array]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    wins = coo_array((np.ones(len(winner), dtype=np.int8), (winner, loser)), shape=(n_nodes, n_nodes))
    wins.data = np.minimum(wins.data, 1)
    wins = wins.tocsr()
    wins.data[:] = 1
    labels = []
    for connection in ("weak", "strong"):
        _, label = connected_components(wins, directed=True, connection=connection)
        smallest = np.full(label.max(initial=0) + 1, n_nodes)
        np.minimum.at(smallest, label, np.arange(n_nodes))
        labels.append(smallest[label])
    return labels[0], labels[1]
