"""Proves, certifies or measures the mathematics of preference optimisation, and says which of the three.

>>> import numpy as np
>>> import dpo_theory
>>> np.exp(dpo_theory.optimal_log_policy(np.array([[1.0, 0.0]]), np.log([[0.5, 0.5]]), beta=1.0)).round(3)
array([[0.731, 0.269]])
"""

from importlib import import_module
from typing import Any

from dpo_theory._version import __version__

_HOMES = {
    "Counterexample": "evidence",
    "Evidence": "evidence",
    "Report": "evidence",
    "Verdict": "evidence",
    "AOT": "losses.aot",
    "CDPO": "losses.cdpo",
    "DPO": "losses.dpo",
    "Hinge": "losses.hinge",
    "IPO": "losses.ipo",
    "NCA": "losses.nca",
    "PlackettLuceDPO": "losses.plackett_luce",
    "bradley_terry": "preferences",
    "plackett_luce": "preferences",
    "implicit_reward": "optimal",
    "kl_divergence": "optimal",
    "log_partition": "optimal",
    "objective": "optimal",
    "optimal_log_policy": "optimal",
    "project_reward": "optimal",
    "same_class": "rewards",
    "verify": "claims.runner",
    "check_loss": "checks.runner",
    "fit": "fitting",
    "Fit": "fitting",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import dpo_theory` loads nothing heavy."""
    if name == "testing":
        return import_module("dpo_theory.testing")
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory' has no attribute {name!r}")
    value = getattr(import_module(f"dpo_theory.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "testing"})
