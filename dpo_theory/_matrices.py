"""Small matrices read as numbers or as symbols: what the Gaussian formulas ask of linear algebra, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.door import as_numpy
from dpo_theory._xp import is_symbolic

__all__ = ["array", "inverse", "log_det", "log_two_pi", "same_dimension", "symmetric"]


def array(name: str, value: Any) -> Any:
    """Finite float64 numbers, or an object array of symbols as it is."""
    found = np.asarray(value)
    if found.dtype == object:
        return found
    found = as_numpy(name, found)
    if not np.isfinite(found).all():
        raise ValueError(f"{name} is {found.tolist()}, expected finite numbers.")
    return found


def symmetric(name: str, matrix: Any, d: int) -> Any:
    """Refuse a matrix that is not (d, d) and symmetric."""
    if matrix.shape != (d, d):
        raise ValueError(f"{name} has shape {matrix.shape}, expected ({d}, {d}).")
    if not is_symbolic(matrix) and not np.allclose(matrix, matrix.T, rtol=1e-12, atol=1e-300):
        raise ValueError(f"{name} is not symmetric; pass (M + M.T) / 2.")
    return matrix


def same_dimension(first: Any, second: Any) -> None:
    """Refuse vectors of different lengths."""
    if len(first) != len(second):
        raise ValueError(f"one argument has d = {len(first)} and the other d = {len(second)}; they must agree.")


def inverse(matrix: Any) -> Any:
    """The inverse; of symbols, as reduced fractions."""
    if not is_symbolic(matrix):
        return np.linalg.inv(matrix)
    import sympy as sp

    return np.array(sp.Matrix(matrix).inv().applyfunc(sp.cancel).tolist(), dtype=object)


def log_det(matrix: Any) -> Any:
    """log |det|; of symbols, of the factored determinant, which is taken to be positive."""
    if not is_symbolic(matrix):
        return np.linalg.slogdet(matrix)[1]
    import sympy as sp

    return sp.log(sp.factor(sp.Matrix(matrix).det()))


def log_two_pi(matrix: Any) -> Any:
    """log 2 pi, as a number or a symbol as the matrix is."""
    if not is_symbolic(matrix):
        return np.log(2 * np.pi)
    import sympy as sp

    return sp.log(2) + sp.log(sp.pi)
