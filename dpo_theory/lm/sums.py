"""Exact sums over every completion of a prompt, streaming: nothing of the size of the tree is kept.

    log_sum   log sum_y exp g(y)          log Z = log_sum of log pi_ref + r / beta
    expect    sum_y pi(y) f(y)            KL(pi || pi_ref) = expect of log pi - log pi_ref

Blocks are added in float64 whatever the dtype of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dpo_theory.lm.enumerate import NODES_AT_ONCE, Completions, walk
from dpo_theory.lm.model import CausalLM
from dpo_theory.lm.ranks import ALONE, Ranks

__all__ = ["Function", "expect", "log_partition", "log_sum", "sequence_kl"]

Function = Callable[[Completions], Tensor]


@torch.no_grad()
def log_sum(
    models: Sequence[CausalLM],
    prompt: Tensor,
    length: int,
    exponents: Sequence[Function],
    *,
    eos: int | None = None,
    nodes_at_once: int = NODES_AT_ONCE,
    ranks: Ranks = ALONE,
) -> Tensor:
    r"""log sum over completions of exp g, for several g in one walk.

    Args:
        models: language models, walked in step; `Completions.log_probs` has one entry for each.
        prompt: (P,) tokens.
        length: T, the largest number of tokens in a completion.
        exponents: functions g of `Completions` to (M,), in nats; -inf leaves a completion out.
        eos, nodes_at_once: as in `walk`.
        ranks: the processes that share the walk.

    Returns:
        (G,) float64, one per function.

    Raises:
        ValueError: a function gives nan or +inf, or something that is not (M,).

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> mass = log_sum([model], torch.tensor([1]), 3, [lambda block: block.log_probs[0]])
    >>> bool(mass.abs() < 1e-14)
    True
    """
    peak = torch.full((len(exponents),), -torch.inf, dtype=torch.float64, device=prompt.device)
    total = torch.zeros_like(peak)
    for block in walk(models, prompt, length, eos=eos, nodes_at_once=nodes_at_once, rank=ranks.rank, ranks=ranks.size):
        values = torch.stack([_checked(g(block), block, "exponent", k) for k, g in enumerate(exponents)])
        peak, total = _merge(peak, total, values)
    peaks, totals = ranks.gather(peak), ranks.gather(total)
    top = peaks.max(dim=0).values
    shares = torch.where(torch.isinf(peaks), 0.0, torch.exp(peaks - top)) * totals
    return torch.where(torch.isinf(top), top, top + torch.log(shares.sum(dim=0)))


def _merge(peak: Tensor, total: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Add exp of (G, M) values to the sum held as total * exp(peak)."""
    top = torch.maximum(peak, values.max(dim=1).values.double())
    safe = torch.where(torch.isinf(top), 0.0, top)
    added = torch.exp(values.double() - safe[:, None]).sum(dim=1)
    kept = torch.where(torch.isinf(peak), 0.0, torch.exp(peak - safe)) * total
    return top, kept + added


@torch.no_grad()
def expect(
    models: Sequence[CausalLM],
    prompt: Tensor,
    length: int,
    functions: Sequence[Function],
    *,
    eos: int | None = None,
    nodes_at_once: int = NODES_AT_ONCE,
    ranks: Ranks = ALONE,
) -> Tensor:
    r"""Exact expectations of several functions f of the completion, under the first of `models`.

    A completion of probability zero counts zero, whatever f is there.

    Args:
        models: language models, walked in step; the first one is the law of the completion.
        prompt: (P,) tokens.
        length: T, the largest number of tokens in a completion.
        functions: functions f of `Completions` to (M,).
        eos, nodes_at_once: as in `walk`.
        ranks: the processes that share the walk.

    Returns:
        (F,) float64, one per function.

    Raises:
        ValueError: a function gives something that is not (M,) or not a number where the probability is positive.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> expect([model], torch.tensor([1]), 3, [lambda block: torch.ones(len(block.tokens))]).round(decimals=12)
    tensor([1.], dtype=torch.float64)
    """
    total = torch.zeros(len(functions), dtype=torch.float64, device=prompt.device)
    for block in walk(models, prompt, length, eos=eos, nodes_at_once=nodes_at_once, rank=ranks.rank, ranks=ranks.size):
        weight = block.log_probs[0].double().exp()
        seen = weight > 0
        for k, f in enumerate(functions):
            value = _checked(f(block), block, "function", k, where=seen)
            total[k] += torch.where(seen, value.double() * weight, 0.0).sum()
    return ranks.gather(total).sum(dim=0)


def log_partition(
    ref: CausalLM,
    prompt: Tensor,
    length: int,
    reward: Callable[[Tensor], Tensor],
    beta: float,
    *,
    eos: int | None = None,
    nodes_at_once: int = NODES_AT_ONCE,
    ranks: Ranks = ALONE,
) -> float:
    """log Z of the KL-regularised optimum over every completion: eq. 4 of arXiv:2305.18290, in nats.

    Args:
        ref: the reference model.
        prompt: (P,) tokens.
        length: T, the largest number of tokens in a completion.
        reward: tokens (M, L) -> rewards (M,).
        beta: reward per nat, > 0.
        eos, nodes_at_once, ranks: as in `log_sum`.

    Raises:
        ValueError: beta is not positive, or what `walk` and `log_sum` refuse.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> round(log_partition(model, torch.tensor([1]), 3, lambda tokens: torch.full((len(tokens),), 2.0), beta=0.5), 12)
    4.0
    """
    if not beta > 0:
        raise ValueError(f"beta is {beta}, expected a positive number of reward per nat.")

    def exponent(block: Completions) -> Tensor:
        return block.log_probs[0] + reward(block.tokens) / beta

    return float(log_sum([ref], prompt, length, [exponent], eos=eos, nodes_at_once=nodes_at_once, ranks=ranks))


def sequence_kl(
    policy: CausalLM,
    ref: CausalLM,
    prompt: Tensor,
    length: int,
    *,
    eos: int | None = None,
    nodes_at_once: int = NODES_AT_ONCE,
    ranks: Ranks = ALONE,
) -> float:
    """KL(policy || ref) over every completion, in nats.

    Args:
        policy, ref: two models over the same vocabulary.
        prompt: (P,) tokens.
        length: T, the largest number of tokens in a completion.
        eos, nodes_at_once, ranks: as in `expect`.

    Raises:
        ValueError: what `walk` refuses, or `ref` is zero where `policy` is not.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> sequence_kl(model, model, torch.tensor([1]), 3)
    0.0
    """

    def log_ratio(block: Completions) -> Tensor:
        return block.log_probs[0] - block.log_probs[1]

    return float(expect([policy, ref], prompt, length, [log_ratio], eos=eos, nodes_at_once=nodes_at_once, ranks=ranks))


def _checked(value: Tensor, block: Completions, kind: str, index: int, *, where: Tensor | None = None) -> Tensor:
    if value.shape != block.log_probs[0].shape:
        raise ValueError(
            f"{kind} {index} has shape {tuple(value.shape)} for {len(block.tokens)} completions, "
            f"expected one number each: ({len(block.tokens)},)."
        )
    bad = torch.isnan(value) | (value == torch.inf)
    if where is not None:
        bad = (bad | torch.isinf(value)) & where
    if bool(bad.any()):
        first = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"{kind} {index} is {float(value[first])} at the completion {block.tokens[first].tolist()}: "
            "rewards and log-ratios must be finite there."
        )
    return value
