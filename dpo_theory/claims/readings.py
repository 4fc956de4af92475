"""A formula on torch tensors and on SymPy numbers, for certificates that compare its readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["on_numbers", "on_tensors"]


def on_tensors(formula: Callable[..., Any], *arguments: Any) -> np.ndarray:
    """The formula's value where every array is a float64 tensor, as an array."""
    import torch

    return np.asarray(formula(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments)).numpy())


def on_numbers(formula: Callable[..., Any], *arguments: Any) -> np.ndarray:
    """The formula's value where every array holds SymPy numbers, as an array."""
    import sympy as sp

    exact = np.vectorize(sp.Float, otypes=[object])
    return np.array(formula(*(exact(a) if isinstance(a, np.ndarray) else a for a in arguments)), dtype=float)
