"""From log-ratios known per component to a policy: each component keeps the reference's probability."""

from __future__ import annotations

import numpy as np

from bandits.door import Array
from bandits.spreads import largest

__all__ = ["component_policy"]


def component_policy(log_ref: Array, log_ratio: Array, component: Array) -> Array:
    """(X, A) log-probabilities proportional to ref * exp(log_ratio) within each component, whose mass is the reference's.

    Args:
        log_ref: (X, A) log-probabilities.
        log_ratio: (X, A), read up to a constant per component.
        component: (X, A) whole labels in [0, A).

    >>> halves = np.log(np.full((1, 4), 0.25))
    >>> np.exp(component_policy(halves, np.log([[3.0, 1, 5, 5]]), np.array([[0, 0, 2, 2]]))).round(3).tolist()
    [[0.375, 0.125, 0.25, 0.25]]
    """
    raw = log_ref + log_ratio
    if not component.any():
        top = largest(raw)[:, None]
        if np.isfinite(top).all():
            return raw - top - np.log(np.sum(np.exp(raw - top), axis=1, keepdims=True))
    slot = (component + np.arange(len(log_ref))[:, None] * log_ref.shape[1]).reshape(-1)
    return raw + (_log_mass(log_ref, slot) - _log_mass(raw, slot))[slot].reshape(log_ref.shape)


def _log_mass(log_weights: Array, slot: Array) -> Array:
    flat = log_weights.reshape(-1)
    top = np.full(slot.max() + 1, -np.inf)
    np.maximum.at(top, slot, flat)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.bincount(slot, weights=np.exp(flat - top[slot]), minlength=len(top))
    return top + np.log(np.where(total > 0, total, 1.0))
