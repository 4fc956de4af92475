"""Figures of studies, drawn from their records alone, in a style of their own that never leaks.

>>> from bandits import plots
>>> plots.mark("dpo", ("rlhf", "dpo"))["marker"]
's'
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "band": "marks",
    "figure": "page",
    "label_ends": "labels",
    "label_points": "labels",
    "mark": "marks",
    "panels": "page",
    "save": "page",
    "style": "look",
    "to_svg": "page",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bandits.plots' has no attribute {name!r}")
    return getattr(import_module(f"bandits.plots.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
