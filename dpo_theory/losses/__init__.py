"""Preference losses, one per file: frozen dataclasses, callable on `PairLogProbs` (or `RankedLogProbs`)."""

from importlib import import_module
from typing import Any

_HOMES = {
    "AOT": "aot",
    "AOTUnpaired": "aot_unpaired",
    "APODown": "apo_down",
    "APOZero": "apo_zero",
    "AlphaDivergenceDPO": "alpha_dpo",
    "AlphaPO": "alphapo",
    "BCO": "bco",
    "BCOPair": "bco_pair",
    "CDPO": "cdpo",
    "CELL": "cell",
    "CPO": "cpo",
    "ChiPO": "chi_po",
    "DPO": "dpo",
    "DPOP": "dpop",
    "DavidsonDPO": "davidson_dpo",
    "DiscoPOP": "discopop",
    "EXO": "exo",
    "ExponentialGPO": "exponential_gpo",
    "ForwardKLDPO": "forward_kl_dpo",
    "Hinge": "hinge",
    "HolderDPO": "holder_dpo",
    "IPO": "ipo",
    "InfoNCA": "infonca",
    "JensenShannonDPO": "jensen_shannon_dpo",
    "KTO": "kto",
    "LDDPO": "lddpo",
    "LengthNormalisedDPO": "length_normalised_dpo",
    "NCA": "nca",
    "ODPO": "odpo",
    "ORPO": "orpo",
    "PADLL": "padll",
    "PlackettLuceDPO": "plackett_luce",
    "PFL": "pfl",
    "PreferredFT": "preferred_ft",
    "RDPO": "rdpo",
    "RPO": "rpo",
    "RSO": "rso",
    "RaoKupperDPO": "rao_kupper_dpo",
    "RobustDPO": "robust_dpo",
    "SLiC": "slic",
    "SPPO": "sppo",
    "Savage": "savage",
    "SimPO": "simpo",
    "SquaredGPO": "squared_gpo",
    "SquaredPO": "squared_po",
    "TruncatedQuadratic": "truncated_quadratic",
    "Unlikelihood": "unlikelihood",
    "UnlikelihoodTraining": "unlikelihood_training",
    "WPO": "wpo",
    "XPO": "xpo",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.losses' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.losses.{_HOMES[name]}"), name)
