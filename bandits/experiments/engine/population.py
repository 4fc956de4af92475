"""The exact population of a design as data: every compared pair once, with the share that its first action wins."""

from __future__ import annotations

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array

__all__ = ["population"]


def population(design: Array, preferences: Array) -> Comparisons:
    """What infinitely many comparisons would say: weights of pairs and soft labels.

    Args:
        design: (X, A, A) symmetric weights of compared pairs.
        preferences: (X, A, A) P(i beats j).

    Returns:
        Comparisons of i < j with weight > 0 and target P(i beats j).

    >>> both = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    >>> population(both, np.array([[[0.5, 0.8], [0.2, 0.5]]])).target
    array([0.8])
    """
    context, first, second = np.nonzero(np.triu(design))
    cells = context, first, second
    return Comparisons(context, first, second, 2 * design[cells], preferences[cells])
