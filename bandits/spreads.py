"""How far apart the entries of each row are."""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["largest", "spread"]

_NARROW = 64  # entries up to which rows are faster read as columns


def largest(rows: Array) -> Array:
    """(X,) the largest entry of each row of (X, A)."""
    return np.asarray(_as_columns(rows).max(axis=0))


def spread(rows: Array) -> Array:
    """(X,) the largest entry of each row of (X, A) minus the smallest.

    >>> spread(np.array([[1.0, 4.0], [2.0, 2.0]])).tolist()
    [3.0, 0.0]
    """
    columns = _as_columns(rows)
    return np.asarray(columns.max(axis=0) - columns.min(axis=0))


def _as_columns(rows: Array) -> Array:
    return np.ascontiguousarray(rows.T) if rows.shape[1] <= _NARROW else rows.T
