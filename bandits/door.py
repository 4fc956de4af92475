"""The door: what every public function asks of its arguments before it computes anything.

A message says what was wrong, where, the value and the remedy; every refusal is a `ValueError`, so bad input never yields a
number. The functions here look at values and never change them. They accept NumPy arrays, torch tensors and nested lists, and
they let symbolic values pass (a proof has no numbers to look at).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "as_numpy",
    "require_beta",
    "require_log_probs",
    "require_probs",
    "require_reward",
    "require_same_shape",
    "require_support",
    "row_name",
]

Array = NDArray[Any]


def as_numpy(name: str, value: Any) -> Array:
    """`value` as a float64 array to look at, detached from any graph.

    Raises:
        ValueError: `value` is ragged, not numeric, complex or boolean.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.dtype.is_complex or value.dtype == torch.bool:
            raise _not_real(name, value.dtype)
        return value.detach().to("cpu", torch.float64).numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:  # ragged nesting
        raise ValueError(f"{name} is not a rectangular array: {error}. Give every row the same length.") from None
    except RuntimeError as error:  # a list of tensors that require gradients
        raise ValueError(f"{name} is a {type(value).__name__} of tensors: {error} Join them with torch.stack.") from None
    if array.dtype.kind not in "iuf":
        raise _not_real(name, array.dtype)
    return array.astype(np.float64, copy=False)


def _not_real(name: str, dtype: Any) -> ValueError:
    return ValueError(f"{name} has dtype {dtype}, expected real numbers. Convert it to floats.")


def row_name(index: tuple[int, ...]) -> str:
    """`row 3`, `row (1, 2)`, or an empty string for the only row of a vector."""
    if not index:
        return ""
    return f" row {index[0]}" if len(index) == 1 else f" row {tuple(int(i) for i in index)}"


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def require_beta(beta: Any, name: str = "beta") -> None:
    """Refuse a beta that is not one positive finite number (reward per nat).

    >>> require_beta(-0.1)
    Traceback (most recent call last):
    ...
    ValueError: beta is -0.1, expected a finite number > 0: it is the reward that one nat of KL costs.
    """
    value = as_numpy(name, beta)
    if value.ndim != 0:
        raise ValueError(f"{name} has shape {value.shape}, expected one number. Call once per {name}.")
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}, expected a finite number > 0: it is the reward that one nat of KL costs.")


def require_log_probs(name: str, value: Any) -> Array:
    """Refuse rows that are not log-probabilities: (..., A), each row's probabilities summing to 1.

    The tolerance is the square root of the epsilon of the dtype that came in: rounding passes, logits do not.
    """
    array = as_numpy(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected (X, A) with at least one action.")
    if np.isnan(array).any():
        raise ValueError(f"{name} is NaN at {_first(np.isnan(array))}. Look for 0 * inf or log of a negative number.")
    with np.errstate(over="ignore"):
        total = np.exp(array).sum(axis=-1)
    slack = np.sqrt(_epsilon(value))
    wrong = ~(np.abs(total - 1.0) <= slack)
    if wrong.any():
        where = _first(wrong) if wrong.ndim else ()
        remedy = (
            f"If these are probabilities, pass numpy.log({name})."
            if (array >= 0).all() and np.allclose(array.sum(axis=-1), 1.0)
            else "If these are logits, pass log_softmax(logits)."
        )
        raise ValueError(f"{name}{row_name(where)} sums to {float(total[where]):.6g} in probability, expected 1. {remedy}")
    return array


def require_probs(name: str, value: Any) -> Array:
    """Refuse rows that are not probabilities: non-negative, each row summing to 1."""
    array = as_numpy(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected at least one probability.")
    bad = ~(array >= 0)
    if bad.any():
        where = _first(bad)
        raise ValueError(f"{name} is {array[where]} at {where}, expected a probability >= 0.")
    total = array.sum(axis=-1)
    wrong = ~(np.abs(total - 1.0) <= np.sqrt(_epsilon(value)))
    if wrong.any():
        where = _first(wrong) if wrong.ndim else ()
        raise ValueError(f"{name}{row_name(where)} sums to {float(total[where]):.6g}, expected 1. Divide by the sum if these are counts.")
    return array


def require_reward(name: str, value: Any, log_ref: Array | None = None) -> Array:
    """Refuse rewards that are NaN, +inf, or -inf on every action that the reference supports.

    A reward of -inf forbids an action; a context in which everything is forbidden has no policy.
    """
    array = as_numpy(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected (X, A) with at least one action.")
    bad = np.isnan(array) | (array == np.inf)
    if bad.any():
        where = _first(bad)
        raise ValueError(f"{name} is {array[where]} at {where}, expected a finite reward, or -inf to forbid an action.")
    forbidden = array == -np.inf
    if log_ref is not None and log_ref.shape == array.shape:
        forbidden = forbidden | (log_ref == -np.inf)
    dead = forbidden.all(axis=-1)
    if dead.any():
        where = _first(dead) if dead.ndim else ()
        raise ValueError(
            f"{name}{row_name(where)} leaves no action: each has reward -inf or no support under the reference, so Z = 0. "
            "Give at least one supported action a finite reward."
        )
    return array


def require_support(name: str, value: Any, why: str) -> Array:
    """Refuse -inf log-probabilities where the statement needs pi_ref(y|x) > 0 for every action."""
    array = require_log_probs(name, value)
    missing = array == -np.inf
    if missing.any():
        where = _first(missing)
        raise ValueError(
            f"{name} is -inf at {where}: the reference gives that action no probability, and {why}. "
            "Drop the action, or give the reference full support."
        )
    return array


def require_same_shape(**arrays: Array) -> None:
    """Refuse arrays of different shapes; nothing is broadcast silently."""
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes do not match: {listed}. Every (X, A) argument needs the same shape.")


def _epsilon(value: Any) -> float:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return float(torch.finfo(value.dtype).eps) if value.dtype.is_floating_point else float(np.finfo(np.float64).eps)
    dtype = np.asarray(value).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else float(np.finfo(np.float64).eps)
