"""What must be true of a training run while it runs, and of its log afterwards."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "DPOTheoryCallback": "trl_callback",
    "Memory": "memory",
    "check_batch": "batch",
    "diagnose": "diagnosis",
    "read_log": "log",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.monitor' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.monitor.{_HOMES[name]}"), name)
