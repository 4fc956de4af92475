"""Reward equivalence classes: Definition 1 of the DPO paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.door import as_numpy, require_same_shape

__all__ = ["same_class"]


def same_class(reward: Any, other: Any, *, tolerance: float = 1e-9) -> bool:
    r"""True where r(x, y) - r'(x, y) = f(x): the two rewards differ by a function of the context alone.

    Args:
        reward: (X, A) rewards; -inf allowed.
        other: (X, A) rewards; -inf where `reward` has -inf.
        tolerance: spread of a row's differences that still counts as zero, relative to the largest finite reward
            (at least 1).

    Returns:
        True when every row's difference is constant up to `tolerance`.

    Raises:
        ValueError: a reward is NaN or +inf, or the shapes differ.

    Source: Rafailov et al. 2023, arXiv:2305.18290, Definition 1. Verified by claims `D14`, `D15`, `D16`.

    >>> same_class([[1.0, 0.0], [2.0, 5.0]], [[3.0, 2.0], [0.0, 3.0]])
    True
    >>> same_class([[1.0, 0.0]], [[0.0, 1.0]])
    False
    """
    first, second = as_numpy("reward", reward), as_numpy("other", other)
    require_same_shape(reward=first, other=second)
    for name, array in (("reward", first), ("other", second)):
        if array.ndim == 0 or array.shape[-1] == 0:
            raise ValueError(f"{name} has shape {array.shape}, expected (X, A) with at least one action.")
        bad = np.isnan(array) | (array == np.inf)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(f"{name} is {array[where]} at {where}, expected a finite reward, or -inf.")
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return False
    difference = np.where(finite, np.where(finite, first, 0.0) - np.where(finite, second, 0.0), np.nan)
    scale = max(1.0, *(float(np.max(np.abs(a), where=finite, initial=0.0)) for a in (first, second)))
    high = np.max(difference, axis=-1, where=finite, initial=-np.inf)
    low = np.min(difference, axis=-1, where=finite, initial=np.inf)
    return bool(np.all(high - low <= tolerance * scale))
