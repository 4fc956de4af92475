"""Losses by properties: one table, every cell decided by a check and carrying its evidence."""

from importlib import import_module
from typing import Any

_HOMES = {
    "COLUMNS": "columns",
    "Cell": "record",
    "Column": "record",
    "Line": "record",
    "Matrix": "record",
    "Row": "rows",
    "matrix": "run",
    "standard": "rows",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.matrix' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.matrix.{_HOMES[name]}"), name)
