"""What a pair loss aims at: its link, the margin for every preference, and the reward and divergence that it implies."""

from importlib import import_module
from typing import Any

_HOMES = {"Aim": "record", "Fingerprint": "record", "Known": "known", "Statement": "record", "fingerprint": "derive", "of": "derive"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.fingerprint' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.fingerprint.{_HOMES[name]}"), name)
