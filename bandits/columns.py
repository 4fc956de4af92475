"""The columns of a data set, looked at before anything is computed from them."""

from __future__ import annotations

import numpy as np

from bandits.data import Comparisons, Rankings
from bandits.door import Array, as_numpy

__all__ = ["comparison_columns", "index_column", "ranking_columns", "target_column", "weight_column"]


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
    found = found.astype(np.int64, copy=False)
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


def comparison_columns(data: Comparisons, n_actions: int, n_contexts: int | None = None) -> tuple[Array, Array, Array, Array, Array]:
    """(N,) context, chosen, rejected, weight and target of comparisons, looked at.

    Raises:
        ValueError: a column is of another length, an index out of range, a weight negative, a target not a probability.
    """
    context = index_column("context", data.context, n_contexts)
    chosen = index_column("chosen", data.chosen, n_actions, length=len(context))
    rejected = index_column("rejected", data.rejected, n_actions, length=len(context))
    return context, chosen, rejected, weight_column(data.weight, len(context)), target_column(data.target, len(context))


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
