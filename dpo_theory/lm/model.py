"""A small causal transformer that scores every continuation of a prefix at once.

The tree of completions is the unit of work, not the sequence: a level of the tree is one batch, and a node attends to its ancestors
where they are, without a copy per descendant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CausalLM", "Nodes", "Segment", "TinyLM", "TinyLMConfig"]


class Segment(NamedTuple):
    """Keys and values of L consecutive positions, each shared by a run of consecutive nodes: (layers, n, heads, L, width)."""

    key: Tensor
    value: Tensor


class Nodes(NamedTuple):
    """N consecutive prefixes of equal length: their next-token log-probabilities and what their descendants attend to.

    `log_probs` is (N, V); a segment with n rows serves N / n nodes a row.
    """

    log_probs: Tensor
    past: tuple[Segment, ...]
    position: int


class CausalLM(Protocol):
    """What enumeration asks of a language model."""

    vocab: int

    def start(self, prompt: Tensor) -> Nodes:
        """The one node of a prompt (T,)."""
        ...

    def extend(self, nodes: Nodes, tokens: Tensor) -> Nodes:
        """The N * C nodes in which every node is followed by each of `tokens` (C,), node-major."""
        ...

    def select(self, nodes: Nodes, start: int, stop: int) -> Nodes:
        """The consecutive nodes start, ..., stop - 1."""
        ...


@dataclass(frozen=True)
class TinyLMConfig:
    """Sizes of a `TinyLM`: V tokens, at most `positions` of them in a row, `layers` blocks of `heads` heads, `width` wide.

    `sharpness` multiplies the logits: 1 is nearly uniform at the start, larger is less so.
    """

    vocab: int = 8
    positions: int = 64
    layers: int = 2
    heads: int = 4
    width: int = 64
    sharpness: float = 1.0


class Block(nn.Module):
    """Attention, then a two-layer perceptron, each added to what came in (pre-norm)."""

    def __init__(self, config: TinyLMConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, L, width) -> query, key, value, each (N, heads, L, width / heads)."""
        n, length, width = x.shape
        parts = self.qkv(self.before_attention(x)).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def join(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add what was attended to, (N, heads, L, width / heads), then the perceptron of it."""
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.before_mlp(x)), approximate="tanh"))


class TinyLM(nn.Module):
    """A causal transformer: learned positions, pre-norm blocks, tied to nothing.

    The same seed gives the same weights whatever the dtype: they are drawn in float64 on the CPU.

    >>> model = TinyLM(TinyLMConfig(vocab=5, width=16, heads=2), seed=0, dtype=torch.float64)
    >>> tokens = torch.tensor([[1, 2, 0, 4]])
    >>> model(tokens).shape, bool(model(tokens).logsumexp(-1).abs().max() < 1e-14)
    (torch.Size([1, 4, 5]), True)
    """

    def __init__(
        self, config: TinyLMConfig, *, seed: int = 0, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
    ) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"width {config.width} is not a multiple of heads {config.heads}: choose sizes that divide.")
        if min(config.vocab, config.positions, config.layers, config.heads) < 1:
            raise ValueError(f"every size of {config} must be at least 1.")
        self.config, self.vocab = config, config.vocab
        with torch.device("cpu"):
            self.token = nn.Embedding(config.vocab, config.width)
            self.place = nn.Embedding(config.positions, config.width)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
            self.last_norm = nn.LayerNorm(config.width)
            self.head = nn.Linear(config.width, config.vocab, bias=False)
        self.double()
        self._draw(torch.Generator().manual_seed(seed))
        self.to(device=device, dtype=dtype)

    @torch.no_grad()
    def _draw(self, generator: torch.Generator) -> None:
        for name, parameter in self.named_parameters():
            if "norm" in name or "before" in name:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                scale = 1.0 if name.startswith(("token", "place")) else parameter.shape[-1] ** -0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * scale)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    @property
    def stack(self) -> tuple[Block, ...]:
        """The blocks, lowest first."""
        return cast("tuple[Block, ...]", tuple(self.blocks))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) tokens -> (B, L, V) log-probabilities of the next token, in float32 at least."""
        self._room(tokens.shape[-1])
        x = self.token(tokens) + self.place.weight[: tokens.shape[-1]]
        for block in self.stack:
            query, key, value = block.split(x)
            x = block.join(x, F.scaled_dot_product_attention(query, key, value, is_causal=True))
        return self._log_probs(x)

    def start(self, prompt: Tensor) -> Nodes:
        """The one node of a prompt (T,) with T >= 1: its keys and values are one segment that every completion shares."""
        if prompt.ndim != 1 or not len(prompt):
            raise ValueError(f"a prompt has shape {tuple(prompt.shape)}, expected (T,) with T >= 1: begin with a start token.")
        self._room(len(prompt))
        x = (self.token(prompt) + self.place.weight[: len(prompt)])[None]
        keys, values = [], []
        for block in self.stack:
            query, key, value = block.split(x)
            keys.append(key)
            values.append(value)
            x = block.join(x, F.scaled_dot_product_attention(query, key, value, is_causal=True))
        return Nodes(self._log_probs(x[:, -1]), (Segment(torch.stack(keys), torch.stack(values)),), len(prompt))

    def extend(self, nodes: Nodes, tokens: Tensor) -> Nodes:
        """The N * C nodes in which every node is followed by each of `tokens` (C,), node-major."""
        self._room(nodes.position + 1)
        n = len(nodes.log_probs)
        x = (self.token(tokens) + self.place.weight[nodes.position]).repeat(n, 1)[:, None]
        keys, values = [], []
        for layer, block in enumerate(self.stack):
            query, key, value = block.split(x)
            keys.append(key)
            values.append(value)
            past = [(segment.key[layer], segment.value[layer]) for segment in nodes.past]
            x = block.join(x, attend(query, [*past, (key, value)]))
        return Nodes(self._log_probs(x[:, 0]), (*nodes.past, Segment(torch.stack(keys), torch.stack(values))), nodes.position + 1)

    def select(self, nodes: Nodes, start: int, stop: int) -> Nodes:
        """The consecutive nodes start, ..., stop - 1, with the rows of the segments that serve them."""
        total = len(nodes.log_probs)
        return Nodes(nodes.log_probs[start:stop], tuple(_rows(segment, total, start, stop) for segment in nodes.past), nodes.position)

    def _log_probs(self, x: Tensor) -> Tensor:
        logits = self.head(self.last_norm(x))
        logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
        return torch.log_softmax(logits * self.config.sharpness, dim=-1)

    def _room(self, length: int) -> None:
        if length > self.config.positions:
            raise ValueError(f"a sequence of {length} tokens does not fit the {self.config.positions} positions of the model.")


def attend(query: Tensor, segments: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Softmax attention of N one-token queries to all that precedes them, segment by segment.

    Args:
        query: (N, heads, 1, width).
        segments: pairs of keys and values (n, heads, L, width), n dividing N: row i serves nodes i N / n, ..., (i + 1) N / n - 1.

    Returns:
        (N, heads, 1, width).
    """
    nodes, heads, _, width = query.shape
    query = query * width**-0.5
    scores = []
    for key, _ in segments:
        n, length = len(key), key.shape[2]
        grouped = query.view(n, nodes // n, heads, width).transpose(1, 2)
        scores.append((grouped @ key.transpose(2, 3)).transpose(1, 2).reshape(nodes, heads, length))
    weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1)
    total: Tensor | None = None
    for share, (_, value) in zip(weights.split([s.shape[-1] for s in scores], dim=-1), segments, strict=True):
        n, length = len(value), value.shape[2]
        grouped = share.reshape(n, nodes // n, heads, length).transpose(1, 2)
        part = (grouped @ value).transpose(1, 2).reshape(nodes, heads, width)
        total = part if total is None else total + part
    assert total is not None
    return total[:, :, None]


def _rows(segment: Segment, total: int, start: int, stop: int) -> Segment:
    """The rows of a segment that serve nodes start, ..., stop - 1 of `total`, such that each serves equally many."""
    share = total // segment.key.shape[1]
    first, last = start // share, (stop - 1) // share
    if first == last:
        return Segment(segment.key[:, first : first + 1], segment.value[:, first : first + 1])
    if start % share == 0 and stop % share == 0:
        return Segment(segment.key[:, first : last + 1], segment.value[:, first : last + 1])
    owner = torch.arange(start, stop, device=segment.key.device) // share
    return Segment(segment.key[:, owner], segment.value[:, owner])
