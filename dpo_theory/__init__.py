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
    "AOTUnpaired": "losses.aot_unpaired",
    "APODown": "losses.apo_down",
    "APOZero": "losses.apo_zero",
    "AlphaPO": "losses.alphapo",
    "BCO": "losses.bco",
    "BCOPair": "losses.bco_pair",
    "CDPO": "losses.cdpo",
    "CPO": "losses.cpo",
    "DPO": "losses.dpo",
    "DPOP": "losses.dpop",
    "Hinge": "losses.hinge",
    "IPO": "losses.ipo",
    "InfoNCA": "losses.infonca",
    "KTO": "losses.kto",
    "NCA": "losses.nca",
    "ORPO": "losses.orpo",
    "RobustDPO": "losses.robust_dpo",
    "RSO": "losses.rso",
    "EXO": "losses.exo",
    "DiscoPOP": "losses.discopop",
    "CELL": "losses.cell",
    "PADLL": "losses.padll",
    "ExponentialGPO": "losses.exponential_gpo",
    "SquaredGPO": "losses.squared_gpo",
    "TruncatedQuadratic": "losses.truncated_quadratic",
    "Savage": "losses.savage",
    "ODPO": "losses.odpo",
    "RDPO": "losses.rdpo",
    "LengthNormalisedDPO": "losses.length_normalised_dpo",
    "HolderDPO": "losses.holder_dpo",
    "ForwardKLDPO": "losses.forward_kl_dpo",
    "JensenShannonDPO": "losses.jensen_shannon_dpo",
    "AlphaDivergenceDPO": "losses.alpha_dpo",
    "ChiPO": "losses.chi_po",
    "SquaredPO": "losses.squared_po",
    "XPO": "losses.xpo",
    "RaoKupperDPO": "losses.rao_kupper_dpo",
    "DavidsonDPO": "losses.davidson_dpo",
    "WPO": "losses.wpo",
    "LDDPO": "losses.lddpo",
    "PlackettLuceDPO": "losses.plackett_luce",
    "PFL": "losses.pfl",
    "PreferredFT": "losses.preferred_ft",
    "RPO": "losses.rpo",
    "SLiC": "losses.slic",
    "SPPO": "losses.sppo",
    "SimPO": "losses.simpo",
    "Unlikelihood": "losses.unlikelihood",
    "UnlikelihoodTraining": "losses.unlikelihood_training",
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
    "check_batch": "monitor.batch",
    "check_sequence_logps": "sequences.runner",
    "diagnose": "monitor.diagnosis",
    "Comparison": "identify",
    "Fingerprint": "fingerprint",
    "Identification": "identify",
    "compare": "identify",
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
