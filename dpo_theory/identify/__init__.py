"""Which loss is this: named among the library's, or compared with another."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Box": "box",
    "Comparison": "record",
    "Identification": "record",
    "compare": "comparing",
    "identify": "naming",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.identify' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.identify.{_HOMES[name]}"), name)
