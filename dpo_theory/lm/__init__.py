"""Causal language models: their log-probabilities, all of their completions, and the theory verified on them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "HuggingFaceLM": "huggingface",
    "TinyLM": "model",
    "TinyLMConfig": "model",
    "count_completions": "enumerate",
    "every_completion": "enumerate",
    "expect": "sums",
    "frontier_gap": "train",
    "instance": "instance",
    "load_folder": "huggingface",
    "log_partition": "sums",
    "log_sum": "sums",
    "require_budget": "budget",
    "sequence_kl": "sums",
    "tiny_setting": "setting",
    "train": "train",
    "verify_lm": "verify",
    "walk": "enumerate",
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
