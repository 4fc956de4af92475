"""The graph of compared actions: what is identified, and whether a maximum-likelihood estimate exists.

A win is a directed edge from winner to loser; a comparison with a target strictly between 0 and 1, or a tie, is an edge
each way. Ford's condition: the estimate exists, unique up to a constant per connected component, if and only if every
component is strongly connected. A ranking counts as its consecutive wins; the order is transitive, so the others would
change neither kind of component (Hunter's condition).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bandits.closures import WIDEST, components_by_bits, components_of_masks, masks_of_cells
from bandits.columns import comparison_columns, index_column, ranking_columns, weight_column
from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array

__all__ = ["ComparisonGraph", "comparison_graph", "graph_of_cells", "graph_of_wins"]

_FULL = 2000  # nodes up to which a well filled graph is searched as a matrix


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
    return graph_of_wins(winner, loser, contexts, n_actions)


def graph_of_wins(winner: Array, loser: Array, contexts: int, n_actions: int) -> ComparisonGraph:
    """The same, from (N,) nodes context * A + action that won and lost.

    >>> graph_of_wins(np.array([0, 1]), np.array([1, 0]), 1, 2).exists
    array([ True])
    """
    shape, n = (contexts, n_actions), contexts * n_actions
    if contexts > 1 and n_actions <= WIDEST and n * n_actions <= 8 * len(winner) + 1024:
        component, strong = components_by_bits(winner, loser, shape)
    else:
        component, strong = _components(winner, loser, n)
    return _graph(component, strong, shape, lambda: (winner, loser))


def graph_of_cells(compared: Array, n_actions: int, wins: Callable[[], tuple[Array, Array]]) -> ComparisonGraph:
    """The same, from (2, E, X) flags of the ordered pairs in the order of `bandits.cells`.

    Args:
        compared: whether the pair was compared with that outcome.
        n_actions: A <= 64.
        wins: the nodes context * A + action that won and lost, asked for where no estimate exists.
    """
    return _graph(*components_of_masks(*masks_of_cells(compared, n_actions)), (compared.shape[2], n_actions), wins)


def _graph(component: Array, strong: Array, shape: tuple[int, int], wins: Callable[[], tuple[Array, Array]]) -> ComparisonGraph:
    contexts, n_actions = shape
    n = contexts * n_actions
    node = np.arange(n)
    n_component = np.count_nonzero((component == node).reshape(shape), axis=1)
    n_strong = n_component if strong is component else np.count_nonzero((strong == node).reshape(shape), axis=1)
    exists = n_strong == n_component
    direction = np.zeros(n)
    if not exists.all():
        winner, loser = wins()
        beaten, split = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        across = strong[winner] != strong[loser]
        beaten[strong[loser[across]]] = True
        split[component[strong != component]] = True
        direction = (split[component] & ~beaten[strong]).astype(np.float64)
    start = np.arange(contexts)[:, None] * n_actions
    return ComparisonGraph(
        component=component.reshape(shape) - start,
        strong=strong.reshape(shape) - start,
        rank=n_actions - n_component,
        exists=exists,
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
    if _all_reach_all(winner, loser, n_nodes):
        return np.zeros(n_nodes, dtype=np.int64), np.zeros(n_nodes, dtype=np.int64)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if (winner[1:] < winner[:-1]).any():
        order = np.argsort(winner, kind="stable")
        winner, loser = winner[order], loser[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(winner, minlength=n_nodes))])
    ones = np.ones(len(winner), dtype=np.int8)
    wins = csr_array((ones, loser.astype(np.int32), starts.astype(np.int32)), shape=(n_nodes, n_nodes))
    count, strong = connected_components(wins, directed=True, connection="strong")
    strong = _smallest(strong, n_nodes)
    if count == 1:
        return strong, strong
    return _smallest(connected_components(wins, directed=True, connection="weak")[1], n_nodes), strong


def _smallest(label: Array, n_nodes: int) -> Array:
    """Labels named by the smallest node that carries them."""
    smallest = np.unique(label, return_index=True)[1]
    return smallest[label].astype(np.int64)


def _all_reach_all(winner: Array, loser: Array, n_nodes: int) -> bool:
    """Whether a well filled graph is strongly connected, by a breadth-first search each way through its full matrix."""
    if n_nodes > _FULL or 10 * len(winner) < n_nodes**2:
        return False
    beats = np.zeros(n_nodes * n_nodes, dtype=bool)
    beats[winner * n_nodes + loser] = True
    table = beats.reshape(n_nodes, n_nodes)
    for matrix in (table, table.T):
        reached, searched = np.zeros(n_nodes, dtype=bool), np.zeros(n_nodes, dtype=bool)
        reached[0] = True
        while len(frontier := np.flatnonzero(reached & ~searched)[:8]) and not reached.all():
            reached |= matrix[frontier].any(axis=0)
            searched[frontier] = True
        if not reached.all():
            return False
    return True
