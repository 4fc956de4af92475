"""Checks and claims as pytest tests, Hypothesis strategies for problems of preference optimisation, and what the notebooks show and ask.

pytest and Hypothesis are imported when they are used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "LazyEvidence": "lazy",
    "betas": "strategies",
    "comparison_graphs": "strategies",
    "derivation": "derivations",
    "exercise": "exercises",
    "log_probs": "strategies",
    "pair_log_probs": "strategies",
    "parametrize_with_checks": "losses",
    "parametrize_with_claims": "claims",
    "preference_problems": "strategies",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.testing' has no attribute {name!r}")
    value = getattr(import_module(f"dpo_theory.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
