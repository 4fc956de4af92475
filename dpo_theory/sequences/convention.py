"""Ways to go from logits to one number per sequence, right and wrong, in float64 NumPy; and which of them explains given numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpo_theory.sequences.batch import Batch

__all__ = ["FAULTS", "Convention", "Fault", "explain", "gradient", "log_softmax", "values"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """How log-probabilities are taken; the defaults are right.

    Args:
        shift: the token at t is scored with the logits at t - shift.
        counts: `completion`, `attention` (prompt too), `after-prompt` (padding too), `everything`, `ignored-as-0`
            (everything, with id 0 where the label is ignored).
        mask_shift: a token counts where the mask is 1 so many positions before it.
        first, last: how many tokens are dropped at the start and the end of the completion.
        scores: `log-softmax`, `logits`, `softmax`, `log2-softmax`.
        axis: `vocabulary`, `time`, `time-after-shift`, `batch`.
        temperature: divides the logits.
        sign: of the result.
        divide: `sum`, `mean`, or by what else the sum is divided.
    """

    shift: int = 1
    counts: str = "completion"
    mask_shift: int = 0
    first: int = 0
    last: int = 0
    scores: str = "log-softmax"
    axis: str = "vocabulary"
    temperature: float = 1.0
    sign: int = 1
    divide: str = "sum"


@dataclass(frozen=True)
class Fault:
    """One wrong turn: the check that it belongs to, the field and value of Convention, and what to tell."""

    check: str
    field: str
    value: Any
    because: str


FAULTS = (
    Fault("shift", "shift", 0, "position t is scored with its own logits: shift logits by one, logits[:, :-1] against ids[:, 1:]"),
    Fault("shift", "shift", 2, "shifted twice: position t is scored with the logits at t - 2; shift once, here or at the caller"),
    Fault("shift", "shift", -1, "shifted the wrong way: t is scored with the logits at t + 1; pair logits[:, :-1] with ids[:, 1:]"),
    Fault("mask-shift", "mask_shift", 1, "the mask is not shifted with the ids: ids[:, 1:] goes with mask[:, 1:], not with mask[:, :-1]"),
    Fault("mask-shift", "mask_shift", -1, "the mask is shifted once too often: ids[:, 1:] goes with mask[:, 1:]"),
    Fault("prompt-excluded", "counts", "attention", "the prompt is scored too: mask with completion_mask, not attention_mask"),
    Fault("padding-excluded", "counts", "after-prompt", "padding after the completion is scored: everything after the prompt counts"),
    Fault("padding-excluded", "counts", "everything", "prompt and padding are scored: the sum runs over all positions, without a mask"),
    Fault("ignore-index", "counts", "ignored-as-0", "labels of -100 were replaced by 0 to gather, and then counted as token 0: mask them"),
    Fault("eos-counted", "last", 1, "the last token of the completion, EOS, is dropped: the policy also chooses when to stop"),
    Fault("first-token-counted", "first", 1, "the first token of the completion is dropped: the last prompt position scores it"),
    Fault("log-softmax", "scores", "logits", "logits are added up without the log-softmax: they are not normalised"),
    Fault("log-softmax", "scores", "softmax", "probabilities are added up, not log-probabilities: take log_softmax"),
    Fault("log-softmax", "scores", "log2-softmax", "logarithms to base 2: losses and beta expect nats"),
    Fault("axis", "axis", "time", "the softmax runs over the positions (axis 1), not over the vocabulary (axis -1)"),
    Fault("axis", "axis", "time-after-shift", "the softmax runs over the positions (axis 1), not over the vocabulary (axis -1)"),
    Fault("axis", "axis", "batch", "the softmax runs over the batch (axis 0), not over the vocabulary (axis -1)"),
    Fault("sign", "sign", -1, "the sign is that of a loss: this is the negative log-likelihood"),
    Fault("normalisation", "divide", "positions", "divided by the padded length T: the value depends on how far the batch is padded"),
    Fault("normalisation", "divide", "positions - 1", "divided by T - 1 (.mean(-1) over all positions): padding changes the value"),
    Fault("normalisation", "divide", "attention", "divided by prompt + completion length, not by the number of tokens counted"),
    Fault("normalisation", "divide", "attention - 1", "divided by prompt + completion length - 1, not by the number of tokens counted"),
    Fault("normalisation", "divide", "prompt", "divided by the length of the prompt"),
    Fault("normalisation", "divide", "tokens + 1", "divided by one more than the number of tokens counted"),
    Fault("normalisation", "divide", "tokens - 1", "divided by one less than the number of tokens counted"),
    Fault("normalisation", "divide", "root", "divided by the square root of the number of tokens"),
    Fault("normalisation", "divide", "batch mean", "divided by the mean length in the batch: the value depends on the other sequences"),
    Fault("normalisation", "divide", "batch sum", "divided by the tokens of the whole batch: the value depends on the other sequences"),
    Fault("normalisation", "divide", "batch longest", "divided by the longest completion in the batch: the value depends on the others"),
    Fault("normalisation", "divide", "batch size", "divided by the batch size: the mean over the batch belongs to the loss"),
)
TEMPERATURE = "the logits are divided by {:.6g}: a sampling temperature does not belong in the policy's log-probability"
CLOSE = 3e-5  # nats: a function may compute in float32


def log_softmax(logits: Array, axis: int = -1) -> Array:
    """log p, float64."""
    moved = logits - logits.max(axis=axis, keepdims=True)
    return moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True))


def values(batch: Batch, convention: Convention = Convention()) -> Array:
    """(B,) what a function of this convention returns, float64."""
    weight, row = _weights(batch, convention)
    scores = _scores(batch.logits / convention.temperature, convention)
    ids = _ids(batch, convention)
    b = np.arange(len(ids))[:, None]
    tokens = np.where(weight != 0, scores[b, row, ids], 0.0)
    return (weight * tokens).sum(-1)


def gradient(batch: Batch, convention: Convention = Convention()) -> Array:
    """(B, T, V) d value_b / d logits[b], in closed form: weight * (1[v = token] - softmax) / temperature."""
    weight, row = _weights(batch, convention)
    slope = np.zeros_like(batch.logits)
    chances = np.exp(log_softmax(batch.logits / convention.temperature))
    ids = _ids(batch, convention)
    for b, t in np.argwhere(weight != 0):
        step = -chances[b, row[b, t]]
        step[ids[b, t]] += 1
        slope[b, row[b, t]] += weight[b, t] * step / convention.temperature
    return slope


def explain(batch: Batch, got: Array, normalise: str | None = None) -> tuple[Convention, tuple[Fault, ...]] | None:
    """The convention with the fewest faults that gives these numbers on this batch, with its faults; None if there is none.

    Args:
        batch: of sequences unlike each other.
        got: (B,) what a function returned.
        normalise: the one asked first, `sum` or `mean`.
    """
    first = normalise or "sum"
    norms = (first, "mean" if first == "sum" else "sum")
    for faults in _sets():
        for divide in norms:
            if any(fault.field == "divide" for fault in faults) and divide != norms[0]:
                continue
            convention = dataclasses.replace(Convention(divide=divide), **{fault.field: fault.value for fault in faults})
            if _same(values(batch, convention), got):
                return convention, faults
        if not faults and (found := _tempered(batch, got, norms)) is not None:
            return found, (Fault("temperature", "temperature", found.temperature, TEMPERATURE.format(found.temperature)),)
    return None


@lru_cache(maxsize=1)
def _sets() -> tuple[tuple[Fault, ...], ...]:
    """No fault, one, two of different fields."""
    pairs: Iterator[tuple[Fault, ...]] = itertools.combinations(FAULTS, 2)
    return ((), *((fault,) for fault in FAULTS), *(pair for pair in pairs if pair[0].field != pair[1].field))


def _tempered(batch: Batch, got: Array, norms: tuple[str, str]) -> Convention | None:
    """Right but for a temperature: bisected on the longest completion, confirmed on all."""
    if not np.isfinite(got).all():
        return None
    k = int(batch.completion_mask.sum(-1).argmax())
    one = batch.rows(np.array([k]))
    grid = np.exp(np.linspace(np.log(0.02), np.log(50.0), 400))
    for divide in norms:
        off = [float(values(one, Convention(divide=divide, temperature=float(t)))[0]) - got[k] for t in grid]
        for left, right, low, high in zip(grid[:-1], grid[1:], off[:-1], off[1:], strict=True):
            if low * high <= 0:
                for _ in range(60):
                    middle = float(np.sqrt(left * right))
                    at = float(values(one, Convention(divide=divide, temperature=middle))[0]) - got[k]
                    left, right = (middle, right) if at * low > 0 else (left, middle)
                found = Convention(divide=divide, temperature=float(left))
                if _same(values(batch, found), got):
                    return found
    return None


def _same(ours: Array, theirs: Array) -> bool:
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=1e-6, atol=CLOSE))


def _scores(logits: Array, convention: Convention) -> Array:
    if convention.scores == "logits":
        return logits
    axis = {"vocabulary": -1, "batch": 0}.get(convention.axis, 1)
    if convention.axis == "time-after-shift":
        logits = np.concatenate([logits[:, :-1], np.full_like(logits[:, :1], -np.inf)], 1)
        with np.errstate(invalid="ignore"):
            found = log_softmax(logits, axis)
    else:
        found = log_softmax(logits, axis)
    if convention.scores == "softmax":
        return np.exp(found)
    return found / np.log(2.0) if convention.scores == "log2-softmax" else found


def _ids(batch: Batch, convention: Convention) -> NDArray[np.int64]:
    return np.where(batch.completion_mask == 1, batch.input_ids, 0) if convention.counts == "ignored-as-0" else batch.input_ids


def _weights(batch: Batch, convention: Convention) -> tuple[Array, NDArray[np.int64]]:
    """(B, T) the factor of each token, and the row of the logits that scores it."""
    completion, attention = batch.completion_mask == 1, batch.attention_mask == 1
    count, length = completion.shape
    kept = {
        "completion": completion,
        "attention": attention,
        "after-prompt": np.cumsum(completion, -1) > 0,
        "everything": np.ones_like(completion),
        "ignored-as-0": np.ones_like(completion),
    }[convention.counts]
    places = np.arange(length)
    if convention.mask_shift:
        source = places - convention.mask_shift
        kept = kept[:, np.clip(source, 0, length - 1)] & ((source >= 0) & (source < length))
    if convention.first or convention.last:
        rank = np.cumsum(kept, -1)
        kept = kept & (rank > convention.first) & (rank <= rank[:, -1:] - convention.last)
    row = places - convention.shift
    kept = kept & (row >= 0) & (row < length)
    tokens = kept.sum(-1)
    prompt = attention.sum(-1) - completion.sum(-1)
    by = {
        "sum": np.ones(count),
        "mean": tokens,
        "positions": np.full(count, length),
        "positions - 1": np.full(count, length - 1),
        "attention": attention.sum(-1),
        "attention - 1": attention.sum(-1) - 1,
        "prompt": prompt,
        "tokens + 1": tokens + 1,
        "tokens - 1": tokens - 1,
        "root": np.sqrt(tokens),
        "batch mean": np.full(count, tokens.mean() if count else 1.0),
        "batch sum": np.full(count, tokens.sum()),
        "batch longest": np.full(count, tokens.max(initial=0)),
        "batch size": np.full(count, count),
    }[convention.divide]
    weight = convention.sign * kept / np.maximum(by, 1)[:, None]
    return weight, np.broadcast_to(np.clip(row, 0, length - 1), kept.shape)
