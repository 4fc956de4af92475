"""The methods that need no loss from outside, by the names that records carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bandits.experiments.methods import exact
from bandits.experiments.methods.nash import Nash
from bandits.experiments.methods.sampled_ppo import PPO

__all__ = ["METHODS"]

METHODS: dict[str, Callable[..., Any]] = {
    "rlhf": exact.RLHF(),
    "two-stage rlhf": exact.TwoStageRLHF(),
    "best of 4": exact.BestOfN(4),
    "preferred-ft": exact.PreferredFT(),
    "unlikelihood": exact.Unlikelihood(),
    "sft": exact.SFT(),
    "rejection sampling": exact.RejectionSampling(),
    "ppo, true reward": PPO(),
    "ppo, learned reward": PPO(learned=True),
    "nash": Nash(),
    "nash, no kl": Nash(regularised=False),
}
