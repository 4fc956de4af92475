"""Pairs that were won, lost or tied: one loss from three."""

from __future__ import annotations

from typing import Any

from bandits.door import as_numpy
from dpo_theory._xp import is_symbolic, relu

__all__ = ["by_outcome"]


def by_outcome(target: Any, won: Any, tie: Any, lost: Any) -> Any:
    """(N,) the loss of what happened: target 1, 1/2 or 0; between them two losses are mixed.

    Raises:
        ValueError: a target outside [0, 1].

    >>> import numpy as np
    >>> by_outcome(np.array([1.0, 0.75, 0.5, 0.0]), 1.0, 10.0, 100.0).tolist()
    [1.0, 5.5, 10.0, 100.0]
    """
    if not is_symbolic(target):
        seen = as_numpy("target", target)
        if not ((seen >= 0) & (seen <= 1)).all():
            raise ValueError("target has an entry outside [0, 1]. Give 1 where chosen won, 1/2 for a tie, 0 where rejected won.")
    win, loss = relu(2 * target - 1), relu(1 - 2 * target)
    return win * won + (1 - win - loss) * tie + loss * lost
