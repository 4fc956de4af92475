"""Ball arithmetic: optima that are enclosed, not estimated."""

from importlib import import_module
from typing import Any

_HOMES = {"CertifiedOptimum": "optimum", "certify_optimum": "optimum"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.rigor' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.rigor.{_HOMES[name]}"), name)
