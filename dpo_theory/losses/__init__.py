"""Preference losses, one per file: frozen dataclasses, callable on `PairLogProbs` (or `RankedLogProbs`)."""

from importlib import import_module
from typing import Any

_HOMES = {
    "AOT": "aot",
    "CDPO": "cdpo",
    "DPO": "dpo",
    "Hinge": "hinge",
    "IPO": "ipo",
    "NCA": "nca",
    "PlackettLuceDPO": "plackett_luce",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.losses' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.losses.{_HOMES[name]}"), name)
