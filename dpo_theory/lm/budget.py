"""What a walk over every completion would cost, said before it starts."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor

from dpo_theory.lm.enumerate import NODES_AT_ONCE, count_completions, walk
from dpo_theory.lm.model import CausalLM

__all__ = ["Cost", "cost", "require_budget"]

PROBE = 1 << 12


class Cost(NamedTuple):
    """Completions to score, bytes to hold at once, seconds to walk."""

    completions: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.completions:,} completions, {_bytes(self.memory)}, {_duration(self.seconds)}"


def cost(
    model: CausalLM,
    prompt: Tensor,
    length: int,
    *,
    eos: int | None = None,
    keep: bool = False,
    bytes_each: int = 0,
    nodes_at_once: int = NODES_AT_ONCE,
) -> Cost:
    """Count the completions of a walk; foresee its memory, and its time from a walk over a few thousand of them.

    Args:
        model: the language model.
        prompt: (P,) tokens.
        length: T, the largest number of tokens in a completion.
        eos: the token that ends a completion, or None.
        keep: whether all completions are held at once (`every_completion`) or only summed.
        bytes_each: what is held for each of them beside its tokens and its log-probability.
        nodes_at_once: as in `walk`.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2))
    >>> cost(model, torch.tensor([1]), 10).completions
    1048576
    """
    short = 1
    while short < length and count_completions(model.vocab, short + 1, eos=eos) <= PROBE:
        short += 1
    with torch.no_grad():
        sum(len(block.tokens) for block in walk([model], prompt, 1, eos=eos))
        started = time.perf_counter()
        number = 0
        for block in walk([model], prompt, short, eos=eos):
            number = block.log_probs[0].element_size()
        if prompt.is_cuda:
            torch.cuda.synchronize()
        spent = time.perf_counter() - started
    completions = count_completions(model.vocab, length, eos=eos)
    held = completions if keep else min(completions, nodes_at_once * model.vocab)
    return Cost(
        completions, held * (8 * length + 2 * number + bytes_each), spent * completions / count_completions(model.vocab, short, eos=eos)
    )


def require_budget(
    model: CausalLM,
    prompt: Tensor,
    length: int,
    *,
    eos: int | None = None,
    keep: bool = False,
    bytes_each: int = 0,
    memory: int = 4 << 30,
    seconds: float = 600.0,
) -> Cost:
    """The cost of a walk; refuse one that is beyond the budget and name the largest length that fits.

    Args:
        model, prompt, length, eos, keep, bytes_each: as in `cost`.
        memory: bytes that may be held at once.
        seconds: time that the walk may take.

    Raises:
        ValueError: the walk needs more memory or more time.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2))
    >>> require_budget(model, torch.tensor([1]), 3).completions
    64
    """
    expected = cost(model, prompt, length, eos=eos, keep=keep, bytes_each=bytes_each)
    if expected.memory <= memory and expected.seconds <= seconds:
        return expected
    fits = length - 1
    while fits > 0:
        smaller = count_completions(model.vocab, fits, eos=eos) / expected.completions
        if expected.seconds * smaller <= seconds and (not keep or expected.memory * smaller <= memory):
            break
        fits -= 1
    remedy = f"the largest length that fits is {fits}" if fits else "not even length 1 fits: take a smaller vocabulary"
    raise ValueError(
        f"length {length} over {model.vocab} tokens means {expected}, beyond the budget of {_bytes(memory)} and {_duration(seconds)}; "
        f"{remedy}, or raise the budget."
    )


def _bytes(number: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} PB"


def _duration(seconds: float) -> str:
    for limit, size, unit in ((1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min"), (2 * 86400.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    days = seconds / 86400
    return f"{days:.3g} days" if days < 730 else f"{days / 365.25:.3g} years"
