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
    "Interval": "intervals",
    "LabelledLogProbs": "data",
    "LinearSolution": "features",
    "PairLogProbs": "data",
    "RankedLogProbs": "data",
    "Rankings": "data",
    "Regulariser": "regularisers",
    "Rest": "strengths",
    "ScoredLogProbs": "data",
    "Solution": "solution",
    "Status": "solution",
    "TabularBandit": "problem",
    "Ties": "data",
    "asymptotic_regret": "inference",
    "best_of_n": "policies",
    "comparison_graph": "graph",
    "davidson_log_ratios": "ties",
    "davidson_strengths": "ties",
    "derivatives": "derivatives",
    "design_information": "inference",
    "difference_errors": "inference",
    "fine_tuning": "policies",
    "graph": "graph",
    "inference": "inference",
    "likelihood_interval": "intervals",
    "maximise_value": "maximise",
    "maximise_value_linear": "features",
    "minimise_loss": "minimise",
    "minimise_loss_linear": "features",
    "minimise_ranking_loss": "ranking",
    "pair_information": "inference",
    "policies": "policies",
    "ppo": "policies",
    "preferred_fine_tuning": "policies",
    "ranking_information": "inference",
    "ranking_strengths": "ranking",
    "rao_kupper_strengths": "ties",
    "reward_covariance": "inference",
    "sample": "sample",
    "solve": "solve",
    "tie_information": "inference",
    "tie_probabilities": "ties",
    "two_stage_rlhf": "policies",
    "unlikelihood": "policies",
    "with_prior_counts": "prior",
}
_MODULES = frozenset({"derivatives", "graph", "inference", "policies", "sample", "solve"})

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'bandits' has no attribute {name!r}")
    module = import_module(f"bandits.{home}")
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
