"""Preference optimisation by search: tabular bandits, data, exact optima. Knows no closed form, and imports none.

>>> import numpy as np
>>> from bandits import TabularBandit, maximise_value
>>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
>>> np.exp(maximise_value(bandit).log_policy).round(3)
array([[0.731, 0.269]])
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Certificate": "solution",
    "ComparisonGraph": "graph",
    "Comparisons": "data",
    "LabelledLogProbs": "data",
    "PairLogProbs": "data",
    "RankedLogProbs": "data",
    "Rankings": "data",
    "Regulariser": "regularisers",
    "Solution": "solution",
    "Status": "solution",
    "TabularBandit": "problem",
    "Ties": "data",
    "comparison_graph": "graph",
    "derivatives": "derivatives",
    "graph": "graph",
    "maximise_value": "maximise",
    "minimise_loss": "minimise",
    "sample": "sample",
    "solve": "solve",
}
_MODULES = frozenset({"derivatives", "graph", "sample", "solve"})

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'bandits' has no attribute {name!r}")
    module = import_module(f"bandits.{home}")
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
