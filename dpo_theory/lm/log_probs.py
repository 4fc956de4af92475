"""Log-probabilities of tokens and of completions, from logits or from hidden states, in pieces that fit a cache.

No second tensor of the size of the logits is made: forward holds one small piece, backward writes the gradient where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["sequence_log_probs", "sequence_log_probs_from_hidden", "token_log_probs", "token_log_probs_from_hidden"]

PIECE = 2**21  # numbers in one piece: 8 MB in float32; few pieces, as each one makes the threads wait for each other
SEGMENT = 2048  # columns that are summed at once
LOWEST = -64.0  # nats: how far below its segment a column may lie and still tell the normaliser to 4e-6
NARROWEST = 256  # columns of the vocabulary in one piece, from hidden states


def token_log_probs(logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """log softmax(logits)[ids], one per row; nothing is shifted.

    Args:
        logits: (T, V) or (B, T, V), floating point.
        ids: (T,) or (B, T) integers in 0..V-1; where the mask is 0 anything.
        mask: like ids; rows where it is 0 are not computed, count 0 and get no gradient. Default: every row.

    Returns:
        Like ids, nats; float32 for half precision, else the type of the logits.

    Raises:
        ValueError: shapes that do not fit, ids that are no integers, or an id outside the vocabulary.

    >>> token_log_probs(torch.zeros(1, 2, 4), torch.tensor([[3, 0]]))
    tensor([[-1.3863, -1.3863]])
    """
    if logits.dim() not in (2, 3) or not logits.is_floating_point():
        raise ValueError(f"logits are {_shown(logits)}, expected floating point (T, V) or (B, T, V).")
    ids, mask = _door(ids, mask, logits.shape[:-1], logits.shape[-1])
    if logits.dim() == 2:
        return _FromLogits.apply(logits[None], ids[None], mask[None])[0]
    return _FromLogits.apply(logits, ids, mask)


def token_log_probs_from_hidden(
    hidden: torch.Tensor, weight: torch.Tensor, ids: torch.Tensor, bias: torch.Tensor | None = None, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """log softmax(hidden @ weight.T + bias)[ids], one per row; the logits exist in small pieces only, forward and backward.

    Args:
        hidden: (T, d) or (B, T, d), floating point.
        weight: (V, d), the output matrix.
        ids: (T,) or (B, T) integers in 0..V-1; where the mask is 0 anything.
        bias: (V,); default none.
        mask: like ids; rows where it is 0 are not computed, count 0 and get no gradient. Default: every row.

    Returns:
        Like ids, nats; float32 for half precision, which is also what the products are taken in.

    Raises:
        ValueError: shapes that do not fit, ids that are no integers, or an id outside the vocabulary.

    >>> token_log_probs_from_hidden(torch.ones(2, 3), torch.zeros(4, 3), torch.tensor([3, 0]))
    tensor([-1.3863, -1.3863])
    """
    if hidden.dim() not in (2, 3) or not hidden.is_floating_point():
        raise ValueError(f"hidden is {_shown(hidden)}, expected floating point (T, d) or (B, T, d).")
    if weight.dim() != 2 or weight.shape[1] != hidden.shape[-1]:
        raise ValueError(f"weight is {_shown(weight)}, expected (V, {hidden.shape[-1]}): one row per token of the vocabulary.")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias is {_shown(bias)}, expected ({weight.shape[0]},).")
    ids, mask = _door(ids, mask, hidden.shape[:-1], weight.shape[0])
    kept = mask.reshape(-1).nonzero().squeeze(-1)
    found, _ = _FromHidden.apply(hidden.reshape(-1, hidden.shape[-1])[kept], weight, ids.reshape(-1)[kept], bias)
    return found.new_zeros(ids.numel()).index_put((kept,), found).reshape(ids.shape)


def sequence_log_probs(
    logits: torch.Tensor, input_ids: torch.Tensor, completion_mask: torch.Tensor, *, normalise: str = "sum"
) -> torch.Tensor:
    """log pi(completion | prompt): the token at t is scored with the logits at t - 1, prompt and padding count nothing.

    Args:
        logits: (B, T, V) of a causal model at `input_ids`.
        input_ids: (B, T).
        completion_mask: (B, T) 1 or True on the tokens of the completion, EOS among them; padding may be on either side.
        normalise: `sum`, or `mean` over the tokens counted. A token at position 0 has no logits, and is not counted.

    Returns:
        (B,) nats; 0 for an empty completion.

    Raises:
        ValueError: shapes that do not fit, an id outside the vocabulary, or another `normalise`.

    >>> sequence_log_probs(torch.zeros(1, 4, 5), torch.tensor([[1, 2, 3, 4]]), torch.tensor([[0, 0, 1, 1]]))
    tensor([-3.2189])
    """
    if logits.dim() != 3:
        raise ValueError(f"logits are {_shown(logits)}, expected (B, T, V).")
    targets, mask = _next(input_ids, completion_mask, logits.shape[:-1])
    return _total(token_log_probs(logits, targets, mask), mask, normalise)


def sequence_log_probs_from_hidden(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    input_ids: torch.Tensor,
    completion_mask: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    normalise: str = "sum",
) -> torch.Tensor:
    """log pi(completion | prompt) from the last hidden states; the logits exist in small pieces only.

    Args:
        hidden: (B, T, d), last hidden states of a causal model at `input_ids`.
        weight: (V, d), the output matrix.
        input_ids: (B, T).
        completion_mask: (B, T) 1 or True on the tokens of the completion, EOS among them.
        bias: (V,); default none.
        normalise: `sum`, or `mean` over the tokens counted.

    Returns:
        (B,) nats; 0 for an empty completion.

    Raises:
        ValueError: shapes that do not fit, an id outside the vocabulary, or another `normalise`.

    >>> ids, mask = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[0, 0, 1, 1]])
    >>> sequence_log_probs_from_hidden(torch.ones(1, 4, 3), torch.zeros(5, 3), ids, mask, normalise="mean")
    tensor([-1.6094])
    """
    if hidden.dim() != 3:
        raise ValueError(f"hidden is {_shown(hidden)}, expected (B, T, d).")
    targets, mask = _next(input_ids, completion_mask, hidden.shape[:-1])
    return _total(token_log_probs_from_hidden(hidden, weight, targets, bias, mask), mask, normalise)


class _FromLogits(torch.autograd.Function):
    """Blocks of whole rows; backward writes softmax into the gradient, block by block."""

    @staticmethod
    def forward(logits: Any, ids: Any, mask: Any) -> Any:
        normaliser = torch.zeros(ids.shape, dtype=torch.float64, device=logits.device)
        block = _Normaliser(logits)
        for place in _blocks(mask, block.height):
            normaliser[place] = block(logits[place])
        picked = logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
        return (picked - normaliser).masked_fill_(~mask, 0.0).to(_wide(logits.dtype))

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Any) -> None:
        context.save_for_backward(*inputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, above: Any) -> Any:
        logits, ids, mask = context.saved_tensors
        wide = _wide(logits.dtype)
        height = _height(logits, 1 if logits.dtype == wide else 2)
        slope = torch.zeros_like(logits, memory_format=torch.contiguous_format)
        above = above.masked_fill(~mask, 0.0)
        spare = None if logits.dtype == wide else logits.new_empty((2, height, logits.shape[-1]), dtype=wide)
        for place in _blocks(mask, height):
            part, size = slope[place], len(slope[place])
            into = part if spare is None else spare[0, :size]
            torch.softmax(logits[place] if spare is None else spare[1, :size].copy_(logits[place]), -1, out=into)
            into.mul_(-above[place].unsqueeze(-1)).scatter_add_(-1, ids[place].unsqueeze(-1), above[place].unsqueeze(-1).to(wide))
            if not mask[place].all():
                into.masked_fill_(~mask[place].unsqueeze(-1), 0.0)
            if into is not part:
                part.copy_(into)
        return slope, None, None


class _FromHidden(torch.autograd.Function):
    """Pieces of rows and columns: a running log-sum-exp; backward computes each piece again."""

    @staticmethod
    def forward(hidden: Any, weight: Any, ids: Any, bias: Any) -> Any:
        wide = _wide(hidden.dtype)
        highest = torch.full(ids.shape, -torch.inf, dtype=wide, device=hidden.device)
        total, picked = torch.zeros_like(highest), torch.zeros_like(highest)
        for rows, columns, piece in _pieces(hidden, weight, bias):
            top = torch.maximum(highest[rows], piece.amax(-1))
            held = torch.where(top == -torch.inf, 0.0, top)
            inside, column = _inside(ids[rows], columns)
            picked[rows] += torch.where(inside, piece.gather(-1, column).squeeze(-1), 0.0)
            total[rows] = total[rows] * (highest[rows] - held).exp() + piece.sub_(held.unsqueeze(-1)).exp_().sum(-1)
            highest[rows] = top
        normaliser = highest + total.log()
        return picked - normaliser, normaliser

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Any) -> None:
        context.mark_non_differentiable(output[1])
        context.save_for_backward(*inputs, output[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, above: Any, _: Any) -> Any:
        hidden, weight, ids, bias, normaliser = context.saved_tensors
        wide = _wide(hidden.dtype)
        to_hidden = torch.zeros_like(hidden, dtype=wide)
        to_weight = torch.zeros_like(weight)
        to_bias = None if bias is None else torch.zeros_like(bias)
        for rows, columns, piece in _pieces(hidden, weight, bias):
            piece.sub_(normaliser[rows].unsqueeze(-1)).exp_().mul_(-above[rows].unsqueeze(-1))
            inside, column = _inside(ids[rows], columns)
            piece.scatter_add_(-1, column, torch.where(inside, above[rows], 0.0).to(wide).unsqueeze(-1))
            to_hidden[rows].addmm_(piece, weight[columns].to(wide))
            to_weight[columns].addmm_(piece.mT.to(weight.dtype), hidden[rows].to(weight.dtype))
            if to_bias is not None:
                to_bias[columns] += piece.sum(0).to(to_bias.dtype)
        return to_hidden.to(hidden.dtype), to_weight, None, to_bias


def _pieces(hidden: Any, weight: Any, bias: Any) -> Iterator[tuple[slice, slice, Any]]:
    """(rows, columns, logits there), one buffer for all; columns outermost, so that each part of the weight is read once."""
    wide = _wide(hidden.dtype)
    width = max(1, min(len(weight), max(NARROWEST, PIECE // 2 // max(weight.shape[1], NARROWEST))))
    height = max(1, min(PIECE // 2 // width, len(hidden)))
    buffer = torch.empty(height * width, dtype=wide, device=hidden.device)
    for left in range(0, len(weight), width):
        columns = slice(left, min(left + width, len(weight)))
        part = weight[columns].to(wide).mT
        for first in range(0, len(hidden), height):
            rows = slice(first, min(first + height, len(hidden)))
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            piece = torch.mm(hidden[rows].to(wide), part, out=buffer[: shape[0] * shape[1]].view(shape))
            yield rows, columns, piece if bias is None else piece.add_(bias[columns])


class _Normaliser:
    """log-sum-exp of a few rows at a time, in buffers that are made once.

    Rows are cut into short segments: sums of few terms keep float32 exact enough for any vocabulary, and the fused log-softmax reads
    memory once. x - log_softmax(x) at the first column of a segment is its log-sum-exp, exact unless that column is far below the
    others: such rows are done again the plain way.
    """

    def __init__(self, logits: Any) -> None:
        size = logits.shape[-1]
        self.width = next((width for width in range(min(SEGMENT, size), 0, -1) if size % width == 0), 1)
        self.segments = size // self.width
        wide = _wide(logits.dtype)
        self.copied = logits.dtype != wide or self.width < min(SEGMENT, size) // 8
        if self.copied:
            self.segments = -(-size // SEGMENT)
            self.width = -(-size // self.segments)
        self.height = _height(logits, 2 if self.copied else 1)
        self.out = logits.new_empty((self.height * self.segments, self.width), dtype=wide)
        self.copy = logits.new_full((self.height, self.segments * self.width), -torch.inf, dtype=wide) if self.copied else None

    def __call__(self, rows: Any) -> Any:
        """(n, V) -> (n,) float64."""
        n, size = rows.shape
        if self.copy is not None:
            self.copy[:n, :size] = rows
        cut = (rows if self.copy is None else self.copy[:n]).reshape(n * self.segments, self.width)
        low = torch.log_softmax(cut, -1, out=self.out[: len(cut)])[:, 0].double().view(n, -1)
        found = (cut[:, 0].double().view(n, -1) - low).logsumexp(-1)
        poor = ~(low > LOWEST).all(-1)
        if poor.any():
            found[poor] = rows[poor].to(self.out.dtype).logsumexp(-1).double()
        return found


def _inside(ids: Any, columns: slice) -> tuple[Any, Any]:
    """Whether an id is among the columns, and where; (n,) and (n, 1)."""
    inside = (ids >= columns.start) & (ids < columns.stop)
    return inside, torch.where(inside, ids - columns.start, 0).unsqueeze(-1)


def _blocks(mask: Any, height: int) -> Iterator[tuple[int, slice]]:
    """(sequence, rows) that hold a row of the mask, the masked ends cut off."""
    for b, row in enumerate(mask):
        (kept,) = row.nonzero(as_tuple=True)
        if len(kept):
            first, last = int(kept[0]), int(kept[-1]) + 1
            for start in range(first, last, height):
                yield b, slice(start, min(start + height, last))


def _height(logits: Any, buffers: int) -> int:
    """Rows in one piece, where so many buffers share its size."""
    return max(1, min(PIECE // buffers // max(logits.shape[-1], 1), logits.shape[-2]))


def _wide(dtype: Any) -> Any:
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _next(input_ids: Any, mask: Any, shape: Any) -> tuple[Any, Any]:
    """What each row of the logits predicts, and whether that counts; the last row predicts nothing."""
    for name, column in (("input_ids", input_ids), ("completion_mask", mask)):
        if column.shape != shape:
            raise ValueError(f"{name} is {_shown(column)}, expected {tuple(shape)} like the logits without the vocabulary.")
    counted = mask.roll(-1, dims=-1).bool()
    counted[..., -1:] = False
    return input_ids.roll(-1, dims=-1), counted


def _total(tokens: Any, mask: Any, normalise: str) -> Any:
    if normalise not in ("sum", "mean"):
        raise ValueError(f"normalise is {normalise!r}, expected 'sum' or 'mean'.")
    total = tokens.sum(-1)
    return total if normalise == "sum" else total / mask.sum(-1).clamp(min=1)


def _door(ids: Any, mask: Any, shape: Any, size: int) -> tuple[Any, Any]:
    """ids and mask, checked; ids where the mask is 0 become 0."""
    if ids.shape != shape or ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"ids are {_shown(ids)}, expected integers {tuple(shape)}.")
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask is {_shown(mask)}, expected {tuple(shape)} like ids.")
    kept = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    held = ids.long().masked_fill(~kept, 0)
    outside = (held < 0) | (held >= size)
    if outside.any():
        raise ValueError(f"an id is {int(held[outside][0])}, expected 0..{size - 1}: mask what is no token, such as labels of -100.")
    return held, kept


def _shown(tensor: Any) -> str:
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
