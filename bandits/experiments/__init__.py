"""Studies on tabular bandits: a sweep engine, methods to compare, and one study per file of this folder.

A study measures and knows no theory: losses and methods are its arguments, records its result. A figure is drawn from records
alone.

>>> from bandits import experiments
>>> "frontier" in experiments.names()
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Answer": "methods.answer",
    "Minimises": "methods.losses",
    "Plan": "engine.plan",
    "Records": "engine.records",
    "Study": "engine.plan",
    "Task": "engine.plan",
    "answers": "methods.answer",
    "forecast": "engine.forecast",
    "load": "engine.registry",
    "names": "engine.registry",
    "random_bandit": "engine.problems",
    "read_records": "engine.journal",
    "sweep": "engine.sweep",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bandits.experiments' has no attribute {name!r}")
    return getattr(import_module(f"bandits.experiments.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
