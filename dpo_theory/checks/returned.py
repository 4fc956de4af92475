"""What a loss returned: losses, or what it is instead; and what autograd saw of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.reading import Detached

__all__ = ["described", "first", "numeric", "seen_by_autograd", "singles"]


def first(value: Any) -> Any:
    """The losses of a tuple that starts with them."""
    return value[0] if isinstance(value, tuple | list) and len(value) else value


def numeric(value: Any) -> Any:
    """A float64 array, or None for anything that is not real floating-point numbers."""
    if hasattr(value, "detach"):
        if not value.dtype.is_floating_point:
            return None
        return np.asarray(value.detach().double().cpu().numpy())
    if type(value) in (bool, int, float, str, type(None)):
        return None
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else None


def described(value: Any) -> str:
    """What a value is, for a sentence."""
    if isinstance(value, int | float | bool | str) or value is None:
        return f"the Python {type(value).__name__} {value!r}"
    dtype = getattr(value, "dtype", None)
    return f"a {type(value).__name__}" + (f" of {dtype}" if dtype is not None else "")


def singles(pairs: PairLogProbs) -> Iterable[PairLogProbs]:
    """The pairs, one at a time."""
    for k in range(len(np.atleast_1d(pairs.policy_chosen))):
        yield PairLogProbs(*(None if column is None else np.atleast_1d(column)[k : k + 1] for column in pairs))


def seen_by_autograd(expression: Any, symbols: tuple[Any, ...]) -> Any:
    """The expression without its detached marks, where its derivatives do not depend on them; else None."""
    import sympy as sp

    if not expression.has(Detached):
        return expression
    plain = expression.replace(Detached, lambda x: x)
    for symbol in symbols:
        if sp.simplify(sp.diff(expression, symbol).replace(Detached, lambda x: x) - sp.diff(plain, symbol)) != 0:
            return None
    return plain
