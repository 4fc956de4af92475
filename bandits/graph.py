"""The graph of compared actions: what is identified, and whether a maximum-likelihood estimate exists.

A win is a directed edge from winner to loser; a comparison with a target strictly between 0 and 1, or a tie, is an edge
each way. Ford's condition: the estimate exists, unique up to a constant per connected component, if and only if every
component is strongly connected. A ranking counts as its consecutive wins; the order is transitive, so the others would
change neither kind of component (Hunter's condition).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array, as_numpy

__all__ = ["ComparisonGraph", "comparison_graph", "index_column"]


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


def index_column(name: str, column: object, upper: int | None, *, length: int | None = None) -> Array:
    """A column of whole numbers in [0, upper) as int64.

    Raises:
        ValueError: an entry is not whole, negative, or not below `upper`; the message names the row.
    """
    found = np.asarray(column)
    if found.ndim != 1 or (length is not None and len(found) != length):
        wanted = "(N,)" if length is None else f"({length},)"
        raise ValueError(f"{name} has shape {found.shape}, expected {wanted}: one entry per comparison.")
    if found.dtype.kind not in "iu":
        numbers = as_numpy(name, found)
        if not (numbers == np.floor(numbers)).all():
            row = int(np.flatnonzero(~(numbers == np.floor(numbers)))[0])
            raise ValueError(f"{name} is {numbers[row]} at row {row}, expected a whole number: an index.")
    found = found.astype(np.int64)
    if found.size and (found.min() < 0 or (upper is not None and found.max() >= upper)):
        bad = (found < 0) if upper is None else (found < 0) | (found >= upper)
        row = int(np.flatnonzero(bad)[0])
        limit = "" if upper is None else f" and below {upper}"
        raise ValueError(f"{name} is {found[row]} at row {row}, expected an index >= 0{limit}.")
    return found


def weight_column(weight: object, length: int) -> Array:
    """(N,) weights, 1 by default.

    Raises:
        ValueError: a weight is negative or not finite, or the length differs.
    """
    if weight is None:
        return np.ones(length)
    found = as_numpy("weight", weight)
    if found.shape != (length,):
        raise ValueError(f"weight has shape {found.shape}, expected ({length},): one weight per comparison.")
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"weight is {found[row]} at row {row}, expected a finite number >= 0.")
    return found


def target_column(target: object, length: int) -> Array:
    """(N,) P(chosen wins), 1 by default.

    Raises:
        ValueError: a target is outside [0, 1], or the length differs.
    """
    if target is None:
        return np.ones(length)
    found = as_numpy("target", target)
    if found.shape != (length,):
        raise ValueError(f"target has shape {found.shape}, expected ({length},): one target per comparison.")
    bad = ~((found >= 0) & (found <= 1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"target is {found[row]} at row {row}, expected a probability: P(chosen wins).")
    return found


def ranking_columns(data: Rankings, n_actions: int, n_contexts: int | None = None) -> tuple[Array, Array, Array]:
    """(N,) context, (N, K) order and (N,) weight of rankings.

    Raises:
        ValueError: an index is out of range, a row repeats an action, or K < 2.
    """
    context = index_column("context", data.context, n_contexts)
    order = np.asarray(data.order)
    if order.ndim != 2 or order.shape[1] < 2 or len(order) != len(context):
        raise ValueError(f"order has shape {order.shape}, expected ({len(context)}, K) with K >= 2 actions, best first.")
    flat = index_column("order", order.reshape(-1), n_actions)
    order = flat.reshape(order.shape)
    ordered = np.sort(order, axis=1)
    repeats = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if repeats.any():
        row = int(np.flatnonzero(repeats)[0])
        raise ValueError(f"order row {row} is {order[row].tolist()}, expected each action at most once.")
    return context, order, weight_column(data.weight, len(context))


def _wins(
    data: Comparisons | Rankings, ties: Ties | None, n_actions: int, n_contexts: int | None
) -> tuple[Array, Array, int]:
    pieces = []
    if isinstance(data, Rankings):
        context, order, weight = ranking_columns(data, n_actions, n_contexts)
        context, order = context[weight > 0], order[weight > 0]
        repeated = np.repeat(context, order.shape[1] - 1)
        pieces.append((repeated, order[:, :-1].reshape(-1), order[:, 1:].reshape(-1)))
    elif isinstance(data, Comparisons):
        context = index_column("context", data.context, n_contexts)
        chosen = index_column("chosen", data.chosen, n_actions, length=len(context))
        rejected = index_column("rejected", data.rejected, n_actions, length=len(context))
        weight, target = weight_column(data.weight, len(context)), target_column(data.target, len(context))
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
