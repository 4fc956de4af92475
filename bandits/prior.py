"""Prior counts: pseudo-comparisons that make an estimate exist and draw it towards equality."""

from __future__ import annotations

import numpy as np

from bandits.columns import comparison_columns
from bandits.data import Comparisons
from bandits.door import as_numpy

__all__ = ["with_prior_counts"]


def with_prior_counts(data: Comparisons, n_actions: int, count: float, *, n_contexts: int | None = None) -> Comparisons:
    r"""`data` and, for every pair of actions of every context, `count` pseudo-comparisons that each side wins half of.

    Args:
        data: Comparisons; weight and target are kept.
        n_actions: A.
        count: pseudo-comparisons per pair, >= 0; fractions count. 1 is a half win each way.
        n_contexts: X; by default one more than the largest context index seen.

    Returns:
        Comparisons, the data first; with count > 0 every context has an estimate, for each action beats and loses to each.

    Raises:
        ValueError: the count is negative or not finite, or a column of the data is not what it should be.

    Source: Caron and Doucet 2012, J. Comput. Graph. Statist. 21(1), for priors that act as comparisons; of pairs alike here.

    >>> with_prior_counts(Comparisons([0], [1], [0]), 2, 0.5)[1:4]
    (array([1, 0, 1]), array([0, 1, 0]), array([1.  , 0.25, 0.25]))
    """
    added = float(as_numpy("count", count))
    if not (np.isfinite(added) and added >= 0):
        raise ValueError(f"count is {count}, expected a finite number >= 0 of pseudo-comparisons per pair.")
    context, chosen, rejected, weight, target = comparison_columns(data, n_actions, n_contexts)
    contexts = n_contexts if n_contexts is not None else int(context.max(initial=-1)) + 1
    if added == 0:
        return Comparisons(context, chosen, rejected, weight, target)
    first, second = np.nonzero(~np.eye(n_actions, dtype=bool))
    size = contexts * len(first)
    return Comparisons(
        np.concatenate([context, np.repeat(np.arange(contexts), len(first))]),
        np.concatenate([chosen, np.tile(first, contexts)]),
        np.concatenate([rejected, np.tile(second, contexts)]),
        np.concatenate([weight, np.full(size, added / 2)]),
        np.concatenate([target, np.ones(size)]),
    )
