"""Any loss as an expression: read on SymPy symbols, through NumPy's protocols, or from a torch trace, and replayed.

A trace can lie: a NumPy round trip is baked in as a constant, `no_grad` leaves no mark. So every reading is replayed against the
eager function, in value and in gradient, on both sides of every branch; what does not agree is *opaque*, and says why.
"""

from importlib import import_module
from typing import Any

_HOMES = {"Detached": "expression", "Reading": "expression", "read": "expression"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.reading' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.reading.{_HOMES[name]}"), name)
