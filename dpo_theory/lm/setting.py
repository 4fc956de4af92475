"""A language model to verify on: a policy, a reference, prompts of different length, a reward, beta. Not a degenerate one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dpo_theory.lm.enumerate import levels
from dpo_theory.lm.model import TinyLM, TinyLMConfig

__all__ = ["Setting", "next_token_entropy", "tiny_setting"]


@dataclass(frozen=True)
class Setting:
    """What the statements about language models are measured on.

    Args:
        policy, ref: two models over the same tokens.
        prompts: (P_x,) tokens each, of different lengths.
        length: T, the largest number of tokens in a completion.
        eos: the token that ends a completion, or None.
        rewards: (T, V + 1, V + 1) float64: what token j after token i is worth at a place; index 0 stands for no token.
        beta: reward per nat.
    """

    policy: Any
    ref: Any
    prompts: tuple[Tensor, ...]
    length: int
    eos: int | None
    rewards: Tensor
    beta: float

    def reward(self, prompt: Tensor, tokens: Tensor) -> Tensor:
        """(P,), (M, L) tokens -> (M,) rewards in float64; what follows the end counts nothing."""
        before = torch.cat([prompt[-1].expand(len(tokens), 1), tokens[:, :-1]], dim=1)
        place = torch.arange(tokens.shape[1], device=tokens.device)
        worth = self.rewards[place, before + 1, tokens + 1]
        return torch.where(tokens >= 0, worth, 0.0).sum(dim=1)

    def to(self, *, dtype: torch.dtype, device: str = "cpu") -> Setting:
        """The same models with rounded weights, elsewhere; rewards stay in float64."""
        from copy import deepcopy

        models = {name: deepcopy(getattr(self, name)).to(device=device, dtype=dtype) for name in ("policy", "ref")}
        return replace(self, **models, prompts=tuple(p.to(device) for p in self.prompts), rewards=self.rewards.to(device))


def tiny_setting(*, vocab: int = 8, length: int = 4, eos: int | None = 0, beta: float = 0.3, seed: int = 0, width: int = 64) -> Setting:
    """Two transformers that are far from uniform and from each other, in float64; three prompts of different length.

    >>> setting = tiny_setting(vocab=5, length=2)
    >>> [len(prompt) for prompt in setting.prompts]
    [2, 5, 9]
    >>> next_token_entropy(setting) < 1.0
    True
    """
    if vocab < 3:
        raise ValueError(f"vocab is {vocab}, expected at least 3: two actions are a degenerate problem.")
    config = TinyLMConfig(vocab=vocab, positions=9 + length, layers=2, heads=4, width=width, sharpness=3.0)
    generator = torch.Generator().manual_seed(seed)
    prompts = tuple(torch.randint(vocab, (n,), generator=generator) for n in (2, 5, 9))
    rewards = torch.randn((length, vocab + 1, vocab + 1), generator=generator, dtype=torch.float64)
    policy, ref = (TinyLM(config, seed=seed * 2 + 1 + k, dtype=torch.float64) for k in range(2))
    return Setting(policy, ref, prompts, length, eos, rewards, beta)


def next_token_entropy(setting: Setting) -> float:
    """Mean entropy of the reference's next token, over prompts and over the prefixes that the reference itself writes; nats."""
    total, mass = 0.0, 0.0
    with torch.no_grad():
        for prompt in setting.prompts:
            for level in levels([setting.ref], prompt, setting.length, eos=setting.eos):
                weight, log_probs = level.so_far[0].double().exp(), level.log_probs[0].double()
                total -= float((weight * (log_probs.exp() * log_probs).sum(dim=1)).sum())
                mass += float(weight.sum())
    return total / mass
