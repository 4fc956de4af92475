"""A language model as a tabular bandit: contexts are prompts, actions are all of its completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bandits.problem import TabularBandit
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.model import CausalLM

__all__ = ["Instance", "instance"]


class Instance(NamedTuple):
    """The bandit, the (M, T) completions that are its actions (padded with -1), and their lengths (M,)."""

    bandit: TabularBandit
    tokens: Tensor
    lengths: Tensor


def instance(
    ref: CausalLM,
    prompts: Sequence[Tensor],
    length: int,
    reward: Callable[[Tensor, Tensor], Tensor],
    beta: float,
    *,
    eos: int | None = None,
    context_probs: Sequence[float] | None = None,
) -> Instance:
    """The tabular bandit that a reference model, a reward and beta are.

    Args:
        ref: the reference model; its log-probabilities are enumerated, not sampled.
        prompts: X prompts, (P_x,) tokens each, of any lengths.
        length: T, the largest number of tokens in a completion.
        reward: prompt (P,), completions (M, T) padded with -1 -> rewards (M,).
        beta: reward per nat, > 0.
        eos: the token that ends a completion, or None.
        context_probs: (X,) weights of the prompts; uniform by default.

    Returns:
        An Instance with X contexts and as many actions as there are completions.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=3, width=8, heads=2), dtype=torch.float64)
    >>> prompts = [torch.tensor([1]), torch.tensor([2, 0, 1])]
    >>> found = instance(model, prompts, 2, lambda prompt, tokens: (tokens == 1).sum(-1).double(), 0.5, eos=0)
    >>> found.bandit.n_contexts, found.bandit.n_actions, found.lengths.tolist()
    (2, 7, [1, 2, 2, 2, 2, 2, 2])
    """
    rows, rewards = [], []
    with torch.no_grad():
        for prompt in prompts:
            tokens, lengths, (log_probs,) = every_completion([ref], prompt, length, eos=eos)
            rows.append(log_probs.double().cpu().numpy())
            rewards.append(reward(prompt, tokens).double().cpu().numpy())
    weights = np.full(len(prompts), 1 / len(prompts)) if context_probs is None else np.asarray(context_probs)
    bandit = TabularBandit(weights, np.stack(rewards), np.stack(rows), beta, tokens=np.tile(lengths.cpu().numpy(), (len(prompts), 1)))
    return Instance(bandit, tokens.cpu(), lengths.cpu())
