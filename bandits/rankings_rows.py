"""Rankings as the columns that sweeps need: looked at once, sorted by length, weighted to a mean within each context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.columns import ranking_columns, weight_column
from bandits.data import Rankings
from bandits.door import Array
from bandits.problem import TabularBandit
from bandits.rankings_passes import piece_length

__all__ = ["Columns", "all_distinct", "ranked_blocks", "read_columns"]

_BY_PAIRS = 24  # places up to which repeated actions are looked for pair by pair
Columns = tuple[Array, Array]


def ranked_blocks(data: Any) -> tuple[Rankings, ...] | None:
    """The blocks of one length each that `data` consists of, or None when it is no ranking data.

    >>> len(ranked_blocks([Rankings([0], [[0, 1]]), Rankings([0], [[2, 0, 1]])]))
    2
    """
    if isinstance(data, Rankings):
        return (data,)
    if type(data) in (list, tuple) and data and all(isinstance(block, Rankings) for block in data):
        return tuple(data)
    return None


def read_columns(bandit: TabularBandit, blocks: Sequence[Rankings]) -> tuple[list[list[Columns]], Array]:
    """Per block of data a list of (K, N) nodes context * A + action with (N,) weights, a cacheful each, and (X,) the contexts' shares.

    The weights sum to 1 within each context, over all blocks. Rankings of weight 0 are dropped; where there are many more rankings
    than there can be different ones, equal ones are joined.

    Raises:
        ValueError: as `ranking_columns`, an action off the reference's support is ranked, or nothing has a positive weight.
    """
    x, a = bandit.reward.shape
    read = [_looked_at(bandit, block) for block in blocks]
    mass = np.zeros(x)
    for node, weight in (piece for pieces in read for piece in pieces):
        mass += np.bincount(node[0] // a, weights=weight, minlength=x) if x > 1 else weight.sum()
    if not mass.any():
        raise ValueError("there is nothing to fit: no ranking has a positive weight.")
    scaled = [[(node, weight / (mass[node[0] // a] if x > 1 else mass[0])) for node, weight in pieces] for pieces in read]
    return scaled, mass / mass.sum()


def all_distinct(order: Array) -> bool:
    """Whether no column of (K, N) actions has an action twice.

    >>> all_distinct(np.array([[0, 1], [1, 1]]))
    False
    """
    if len(order) > _BY_PAIRS:
        ordered = np.sort(order, axis=0)
        return not (ordered[1:] == ordered[:-1]).any()
    small = order.astype(np.int16 if order.max(initial=0) < 2**15 else np.int32)
    return not any((small[place] == small[place + 1 :]).any() for place in range(len(small) - 1))


def _looked_at(bandit: TabularBandit, block: Rankings) -> list[Columns]:
    x, a = bandit.reward.shape
    context, order = np.asarray(block.context), np.asarray(block.order)
    pieces = _turned(context, order, x, a)
    if pieces is None:
        context, order, _ = ranking_columns(block, a, x)  # says what is wrong, or makes indices of whole floats
        pieces = _turned(context, order, x, a) or []
    weights, start, off, found = weight_column(block.weight, len(context)), 0, ~bandit.support, []
    for piece in pieces:
        here = slice(start, start + piece.shape[1])
        if off.any() and off[context[here], piece].any():
            _refuse_unsupported(off, context, piece, start)
        node, weight = piece if x == 1 else piece + context[here] * a, weights[here]
        if not (weight > 0).all():
            kept = np.flatnonzero(weight > 0)
            node, weight = np.ascontiguousarray(node[:, kept]), weight[kept]
        found.append(_joined(node, weight, x, a))
        start = here.stop
    return [(node, weight) for node, weight in found if len(weight)]


def _turned(context: Array, order: Array, x: int, a: int) -> list[Array] | None:
    """(K, N) actions, a cacheful at a time, or None if anything is not what it should be."""
    if context.ndim != 1 or order.ndim != 2 or len(order) != len(context) or order.shape[1] < 2:
        return None
    if context.dtype.kind not in "iu" or order.dtype.kind not in "iu":
        return None
    if len(order) and not (context.min() >= 0 and context.max() < x):
        return None
    pieces, step = [], len(order) if _countable(order.shape[1], len(order), x, a) else piece_length(order.shape[1], x * a)
    for start in range(0, len(order), step):
        piece = np.ascontiguousarray(order[start : start + step].T).astype(np.int64, copy=False)
        if not (piece.min() >= 0 and piece.max() < a and all_distinct(piece)):
            return None
        pieces.append(piece)
    return pieces


def _refuse_unsupported(off: Array, context: Array, piece: Array, start: int) -> None:
    place, row = (int(i) for i in np.argwhere(off[context[start : start + piece.shape[1]], piece])[0])
    raise ValueError(
        f"action {piece[place, row]} of context {context[start + row]} is ranked, but the reference gives it no probability: "
        "its log-ratio is not defined. Drop the ranking, or give the reference full support."
    )


def _countable(places: int, number: int, x: int, a: int) -> bool:
    return bool(np.log(x) + places * np.log(a) <= np.log(max(number, 1) / 2))


def _joined(node: Array, weight: Array, x: int, a: int) -> tuple[Array, Array]:
    """Equal rankings as one, where their keys can be counted."""
    places, number = node.shape
    if not _countable(places, number, x, a):
        return node, weight
    key = node[0].copy()
    for place in range(1, places):
        key = key * a + node[place] % a
    total = np.bincount(key, weights=weight)
    found = np.flatnonzero(total)
    joined = np.empty((places, len(found)), dtype=np.int64)
    rest = found
    for place in range(places - 1, 0, -1):
        rest, joined[place] = np.divmod(rest, a)
    joined[0] = rest
    joined[1:] += rest // a * a
    return joined, total[found]
