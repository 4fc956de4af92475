"""Fits preference data: what is identified, whether an estimate exists, the DPO optimum and the RLHF optimum side by side.

>>> import dpo_theory
>>> found = dpo_theory.fit(example="journals", beta=0.5)
>>> found.exists, found.strengths.round(4).tolist()
(True, [0.0, -2.9491, -0.4796, 0.269])
>>> found.distance <= 1e-9
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"Fit": "result", "Preferences": "preferences", "fit": "fitter"}

__all__ = ["Fit", "Preferences", "fit"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.fitting' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.fitting.{_HOMES[name]}"), name)
