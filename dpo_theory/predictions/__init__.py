"""What theory predicts about each study of `bandits.experiments`, judged on the study's records.

One file per study. A study measures and knows no theory; here its losses and methods are chosen, and its records are compared with
what the claims say. Every prediction becomes a row of a report, and so does a planted wrong one, which must be refuted.

>>> from dpo_theory import predictions
>>> "frontier" in predictions.names()
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Estimated": "prediction",
    "Prediction": "prediction",
    "judge": "judging",
    "load": "registry",
    "names": "registry",
    "study": "registry",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.predictions' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.predictions.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
