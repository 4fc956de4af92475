"""Every completion of a prompt, scored exactly by a prefix tree, in blocks that bound the memory.

A completion is either T tokens without the end token, or at most T tokens of which the last is the end token. Without an end
token there are V^T of them. The tree is walked level by level down to a depth at which the next level no longer fits, then
subtree by subtree; the last level is never entered: the log-probabilities of the last token come with its parents.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dpo_theory.lm.model import CausalLM, Nodes

__all__ = ["Completions", "Prefixes", "count_completions", "every_completion", "levels", "walk"]

NODES_AT_ONCE = 1 << 15


class Completions(NamedTuple):
    """M completions of one length: tokens and the log-probabilities that each model gives them.

    Attributes:
        tokens: (M, L), L <= T; where `ended`, the last token is the end token.
        log_probs: one (M,) tensor per model, in nats.
        ended: whether these completions end with the end token.
    """

    tokens: Tensor
    log_probs: tuple[Tensor, ...]
    ended: bool


class Prefixes(NamedTuple):
    """All N prefixes of one depth that have not ended.

    Attributes:
        tokens: (N, depth), in lexicographic order of the tokens that do not end a completion.
        so_far: one (N,) tensor per model: the log-probability of the prefix.
        log_probs: one (N, V) tensor per model: the log-probabilities of the next token.
    """

    tokens: Tensor
    so_far: tuple[Tensor, ...]
    log_probs: tuple[Tensor, ...]


def count_completions(vocab: int, length: int, *, eos: int | None = None) -> int:
    """How many completions of at most T = `length` tokens there are.

    >>> count_completions(8, 4), count_completions(3, 2, eos=0)
    (4096, 7)
    """
    if eos is None:
        return vocab**length
    return sum((vocab - 1) ** depth for depth in range(length)) + (vocab - 1) ** length


def walk(
    models: Sequence[CausalLM],
    prompt: Tensor,
    length: int,
    *,
    eos: int | None = None,
    nodes_at_once: int = NODES_AT_ONCE,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Completions]:
    """Yield every completion of `prompt` exactly once, with its log-probability under each model.

    Args:
        models: language models over the same V tokens; they are walked in step.
        prompt: (P,) tokens, P >= 1.
        length: T >= 1, the largest number of tokens in a completion.
        eos: the token that ends a completion; None for completions of exactly T tokens.
        nodes_at_once: how many prefixes a level may hold before the walk continues one subtree after another.
        rank, ranks: this process walks subtrees rank, rank + ranks, ...; together they cover the tree once.

    Raises:
        ValueError: the models differ in V, `eos` is no token, T < 1, or a model gives a log-probability that is not a number.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> with torch.no_grad():
    ...     blocks = list(walk([model], torch.tensor([1, 2]), 3, eos=0))
    >>> sum(len(b.tokens) for b in blocks), round(float(sum(b.log_probs[0].exp().sum() for b in blocks)), 12)
    (40, 1.0)
    """
    vocab = _same_vocab(models)
    if length < 1:
        raise ValueError(f"length is {length}, expected at least 1 token in a completion.")
    alive, level = _alive(vocab, eos, prompt.device), _root(models, prompt)
    yield from _descend(models, level, length, alive, eos, max(nodes_at_once, 1), _Turn(rank, ranks))


def _alive(vocab: int, eos: int | None, device: torch.device) -> Tensor:
    """The tokens after which a completion goes on."""
    if eos is not None and not 0 <= eos < vocab:
        raise ValueError(f"eos is {eos}, expected one of the tokens 0, ..., {vocab - 1}, or None for completions of fixed length.")
    return torch.tensor([t for t in range(vocab) if t != eos], device=device)


def _root(models: Sequence[CausalLM], prompt: Tensor) -> _Level:
    roots = tuple(model.start(prompt) for model in models)
    empty = torch.zeros((1, 0), dtype=torch.long, device=prompt.device)
    return _Level(roots, empty, tuple(nodes.log_probs.new_zeros(1) for nodes in roots))


class _Level(NamedTuple):
    nodes: tuple[Nodes, ...]
    tokens: Tensor  # (N, depth)
    so_far: tuple[Tensor, ...]  # (N,) log-probability of the prefix, per model


class _Turn:
    """Which process walks a subtree: all of them walk the top, then each takes every `ranks`-th."""

    def __init__(self, rank: int, ranks: int) -> None:
        self.rank, self.ranks, self.seen = rank, ranks, 0

    @property
    def alone(self) -> bool:
        return self.ranks == 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def mine(self) -> bool:
        self.seen += 1
        return (self.seen - 1) % self.ranks == self.rank


def _descend(
    models: Sequence[CausalLM], level: _Level, length: int, alive: Tensor, eos: int | None, at_once: int, turn: _Turn
) -> Iterator[Completions]:
    shared = not turn.alone
    while True:
        depth, n = level.tokens.shape[1], len(level.tokens)
        for nodes in level.nodes:
            if bool(torch.isnan(nodes.log_probs).any()):
                raise ValueError(
                    f"a log-probability after {depth} tokens of the completion is not a number: the model's weights or logits hold NaN."
                )
        last = depth + 1 == length
        if not shared or turn.first:
            if eos is not None:
                yield _step(level, torch.tensor([eos], device=alive.device), ended=True)
            if last:
                yield _step(level, alive, ended=False)
        if last:
            return
        if n * len(alive) >= 4 * turn.ranks if shared else n * len(alive) > at_once:
            break
        level = _children(models, level, alive)
    parents = max(1, min(at_once // len(alive), -(-n // (4 * turn.ranks)) if shared else n))
    for start in range(0, n, parents):
        if shared and not turn.mine():
            continue
        stop = min(start + parents, n)
        part = _Level(
            tuple(model.select(nodes, start, stop) for model, nodes in zip(models, level.nodes, strict=True)),
            level.tokens[start:stop],
            tuple(total[start:stop] for total in level.so_far),
        )
        below = _children(models, part, alive)
        yield from _descend(models, below, length, alive, eos, at_once, _Turn(0, 1))


def _children(models: Sequence[CausalLM], level: _Level, alive: Tensor) -> _Level:
    stepped = _step(level, alive, ended=False)
    return _Level(
        tuple(model.extend(nodes, alive) for model, nodes in zip(models, level.nodes, strict=True)), stepped.tokens, stepped.log_probs
    )


def _step(level: _Level, tokens: Tensor, *, ended: bool) -> Completions:
    """Every prefix followed by each of `tokens` (C,), node-major."""
    n, c = len(level.tokens), len(tokens)
    grown = torch.cat([level.tokens.repeat_interleave(c, dim=0), tokens.repeat(n)[:, None]], dim=1)
    sums = tuple(
        (so_far[:, None] + nodes.log_probs[:, tokens]).reshape(-1) for so_far, nodes in zip(level.so_far, level.nodes, strict=True)
    )
    return Completions(grown, sums, ended)


def levels(models: Sequence[CausalLM], prompt: Tensor, length: int, *, eos: int | None = None) -> list[Prefixes]:
    """The prefixes of depth 0, ..., T - 1 at which a token is chosen, for trees that fit.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=4, width=8, heads=2), dtype=torch.float64)
    >>> [tuple(level.tokens.shape) for level in levels([model], torch.tensor([1]), 3, eos=0)]
    [(1, 0), (3, 1), (9, 2)]
    """
    alive = _alive(_same_vocab(models), eos, prompt.device)
    level, found = _root(models, prompt), []
    for depth in range(length):
        if depth:
            level = _children(models, level, alive)
        found.append(Prefixes(level.tokens, level.so_far, tuple(nodes.log_probs for nodes in level.nodes)))
    return found


def every_completion(
    models: Sequence[CausalLM], prompt: Tensor, length: int, *, eos: int | None = None, nodes_at_once: int = NODES_AT_ONCE
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """All M completions at once, for trees that fit: tokens (M, T) padded with -1, lengths (M,), log-probabilities (M,) per model.

    >>> from dpo_theory.lm.model import TinyLM, TinyLMConfig
    >>> model = TinyLM(TinyLMConfig(vocab=3, width=8, heads=2), dtype=torch.float64)
    >>> tokens, lengths, (log_probs,) = every_completion([model], torch.tensor([1]), 2, eos=0)
    >>> tokens[lengths == 1].tolist(), tokens.shape
    ([[0, -1]], torch.Size([7, 2]))
    """
    blocks = list(walk(models, prompt, length, eos=eos, nodes_at_once=nodes_at_once))
    tokens = torch.cat([torch.nn.functional.pad(b.tokens, (0, length - b.tokens.shape[1]), value=-1) for b in blocks])
    lengths = torch.cat([torch.full((len(b.tokens),), b.tokens.shape[1], device=tokens.device) for b in blocks])
    return tokens, lengths, tuple(torch.cat([b.log_probs[k] for b in blocks]) for k in range(len(models)))


def _same_vocab(models: Sequence[CausalLM]) -> int:
    if not models:
        raise ValueError("no model given: pass at least one.")
    sizes = [model.vocab for model in models]
    if len(set(sizes)) != 1:
        raise ValueError(f"the models have {sizes} tokens: completions can be compared only over the same vocabulary.")
    if math.isinf(sizes[0]) or sizes[0] < 2:
        raise ValueError(f"the vocabulary has {sizes[0]} tokens, expected at least 2.")
    return sizes[0]
