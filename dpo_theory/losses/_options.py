"""What an option of a loss may be: a number in its range, or one of the named conventions."""

from __future__ import annotations

import math
from typing import Any

from bandits.door import as_numpy
from dpo_theory._xp import is_symbolic

__all__ = ["require_convention", "require_fraction", "require_greater", "require_nonnegative", "require_number", "require_positive"]


def require_convention(name: str, value: Any, conventions: tuple[str, ...]) -> None:
    """Refuse a convention that is not one of those named.

    >>> require_convention("nll", "average", ("sum", "mean"))
    Traceback (most recent call last):
    ...
    ValueError: nll is 'average', expected one of 'sum', 'mean'.
    """
    if value not in conventions:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, conventions))}.")


def require_number(name: str, value: Any) -> None:
    """Refuse what is not one finite number; an expression passes."""
    if is_symbolic(value):
        return
    array = as_numpy(name, value)
    if array.ndim != 0:
        raise ValueError(f"{name} has shape {array.shape}, expected one number.")
    if not math.isfinite(float(array)):
        raise ValueError(f"{name} is {value}, expected a finite number.")


def require_nonnegative(name: str, value: Any) -> None:
    """Refuse what is not one finite number >= 0; an expression passes.

    >>> require_nonnegative("alpha", -0.5)
    Traceback (most recent call last):
    ...
    ValueError: alpha is -0.5, expected a finite number >= 0.
    """
    if is_symbolic(value):
        return
    require_number(name, value)
    if float(as_numpy(name, value)) < 0:
        raise ValueError(f"{name} is {value}, expected a finite number >= 0.")


def require_positive(name: str, value: Any, *, infinite: bool = False) -> None:
    """Refuse what is not one number > 0, finite unless `infinite` is allowed; an expression passes.

    >>> require_positive("ceiling", 0.0)
    Traceback (most recent call last):
    ...
    ValueError: ceiling is 0.0, expected a finite number > 0.
    """
    if infinite and value == math.inf:
        return
    require_greater(name, value, 0)


def require_greater(name: str, value: Any, least: float, remedy: str = "") -> None:
    """Refuse what is not one finite number above `least`; an expression passes."""
    if is_symbolic(value):
        return
    array = as_numpy(name, value)
    if array.ndim != 0:
        raise ValueError(f"{name} has shape {array.shape}, expected one number.")
    if not least < float(array) < math.inf:
        raise ValueError(f"{name} is {value}, expected a finite number > {least:g}.{f' {remedy}.' if remedy else ''}")


def require_fraction(name: str, value: Any, what: str, *, below: float = 1.0) -> None:
    """Refuse what is not one number in (0, below); an expression passes.

    >>> require_fraction("epsilon", 0.7, "the rate of flipped labels", below=0.5)
    Traceback (most recent call last):
    ...
    ValueError: epsilon is 0.7, expected 0 < epsilon < 0.5: the rate of flipped labels.
    """
    if is_symbolic(value):
        return
    array = as_numpy(name, value)
    if array.ndim != 0:
        raise ValueError(f"{name} has shape {array.shape}, expected one number.")
    if not 0 < float(array) < below:
        raise ValueError(f"{name} is {value}, expected 0 < {name} < {below:g}: {what}.")
