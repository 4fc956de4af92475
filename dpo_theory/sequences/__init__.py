"""From logits to the log-probability of a completion: is a function that claims to do this step right?

>>> from dpo_theory.sequences.shelf.right import gathered
>>> from dpo_theory.sequences import check_sequence_logps
>>> check_sequence_logps(gathered).passed
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"Batch": "batch", "check_sequence_logps": "runner"}

__all__ = ["Batch", "check_sequence_logps"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.sequences' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.sequences.{_HOMES[name]}"), name)
