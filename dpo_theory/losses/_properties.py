"""The properties that a loss may have: what it does not have it lacks."""

from __future__ import annotations

__all__ = ["PROPERTIES"]

PROPERTIES = frozenset(
    {
        "antisymmetric-gradient",
        "borda-order",
        "bounded-below",
        "bounded-gradient",
        "bt-proper",
        "calibrated",
        "convex",
        "displacement-free",
        "finite-optimum-when-deterministic",
        "flip-robust",
        "length-invariant",
        "log-ratio-only",
        "log2-at-reference",
        "margin-only",
        "monotone",
        "normalised-likelihood",
        "recovers-kl-optimum",
        "scales-with-beta",
        "shift-invariant",
        "uses-reference",
        "vanishing-weight",
    }
)
