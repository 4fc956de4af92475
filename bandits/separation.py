"""Can comparisons be separated by a linear score? A linear program looks for it; what it finds is checked without it."""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["separating_direction"]

_ZERO = 1e-6


def separating_direction(winners: Array, level: Array | None = None) -> Array | None:
    """d with M d >= 0, some entry positive, and L d = 0; None where there is none.

    Args:
        winners: (N, D) M, features of the winner minus those of the loser.
        level: (N0, D) L, differences that may not change, such as those of ties.

    Returns:
        (D,) of largest entry 1, verified: the rows that it leaves at 0 are 0 up to rounding, the others positive. None means
        that every direction which raises some margin lowers another.

    Source: Albert and Anderson 1984, Biometrika 71(1): separation and the existence of logistic estimates.

    >>> separating_direction(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]])).tolist()
    [1.0, 0.0]
    >>> separating_direction(np.array([[1.0], [-1.0]])) is None
    True
    """
    from scipy.optimize import linprog

    width = np.abs(np.concatenate([winners, *([] if level is None else [level])])).max(axis=0, initial=0.0)
    width = np.where(width > 0, width, 1.0)
    rows = np.unique(winners / width, axis=0)
    rows = rows[np.abs(rows).max(axis=1, initial=0.0) > 0]
    if len(rows) == 0:
        return None
    rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    fixed = np.zeros((0, rows.shape[1])) if level is None else np.unique(level / width, axis=0)
    equal = (fixed, np.zeros(len(fixed))) if len(fixed) else (None, None)
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), A_eq=equal[0], b_eq=equal[1], bounds=(-1, 1), method="highs")
    if found.x is None:
        raise ValueError(f"the linear program of separation was not solved: {found.message}")
    direction = _polished(found.x, rows, fixed)
    if direction is None:
        return None
    direction = direction / width
    return direction / np.abs(direction).max() + 0.0


def _polished(direction: Array, rows: Array, fixed: Array) -> Array | None:
    """`direction` without the program's tolerance: orthogonal to the rows it left near 0, and positive on the others."""
    gain = rows @ direction
    if not (gain > _ZERO).any():
        return None
    held = np.concatenate([rows[gain <= _ZERO], fixed])
    if len(held):
        _, size, right = np.linalg.svd(held, full_matrices=False)
        kept = right[size > 1e-10 * size.max()]
        direction = direction - kept.T @ (kept @ direction)
    gain, rounding = rows @ direction, 64 * np.finfo(np.float64).eps * rows.shape[1]
    positive = gain > rounding
    if not positive.any() or (gain < -rounding).any() or (len(fixed) and np.abs(fixed @ direction).max() > rounding * np.abs(fixed).max()):
        return None
    return np.asarray(direction)
