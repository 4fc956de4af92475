"""Causal language models: from their logits or hidden states to log-probabilities."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "sequence_log_probs": "log_probs",
    "sequence_log_probs_from_hidden": "log_probs",
    "token_log_probs": "log_probs",
    "token_log_probs_from_hidden": "log_probs",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.lm' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.lm.{_HOMES[name]}"), name)
