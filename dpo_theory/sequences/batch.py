"""Batches that tell right from wrong: unequal lengths, unequal prompts, skewed logits, padding on either side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["EOS", "IGNORED", "PAD", "Batch", "laid_out", "plain", "small"]

PAD, EOS, IGNORED = 1, 2, -100


class Batch(NamedTuple):
    """What a function from logits to log-probabilities is given.

    Args:
        logits: (B, T, V) float64.
        input_ids: (B, T) int64.
        attention_mask: (B, T) int64, 0 on padding.
        completion_mask: (B, T) int64, 1 on the tokens of the completion, EOS among them.
    """

    logits: NDArray[Any]
    input_ids: NDArray[Any]
    attention_mask: NDArray[Any]
    completion_mask: NDArray[Any]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(B, T): the ids, -100 outside the completion."""
        return np.where(self.completion_mask == 1, self.input_ids, IGNORED)

    def rows(self, which: NDArray[np.int64] | slice) -> Batch:
        """Some of the sequences."""
        return Batch(*(column[which] for column in self))


def laid_out(
    logits: NDArray[np.float64],
    prompts: list[list[int]],
    completions: list[list[int]],
    *,
    side: str = "right",
    pad: int = PAD,
) -> Batch:
    """Prompts and completions side by side, padded to the length of `logits`.

    Args:
        logits: (B, T, V).
        prompts, completions: B lists of ids each.
        side: of the padding, `right` or `left`.
        pad: the id of the padding.
    """
    batch, length, _ = logits.shape
    ids = np.full((batch, length), pad, dtype=np.int64)
    attention, completion = np.zeros_like(ids), np.zeros_like(ids)
    for b, (prompt, answer) in enumerate(zip(prompts, completions, strict=True)):
        whole = len(prompt) + len(answer)
        start = 0 if side == "right" else length - whole
        ids[b, start : start + whole] = [*prompt, *answer]
        attention[b, start : start + whole] = 1
        completion[b, start + len(prompt) : start + whole] = 1
    return Batch(logits, ids, attention, completion)


def plain(rng: np.random.Generator, *, side: str = "right", pad: int = PAD, size: int = 9, spread: float = 2.0) -> Batch:
    """Five sequences of unequal prompts and completions, no two of equal sums; every completion ends with EOS.

    Args:
        rng: draws the logits and the tokens.
        side: of the padding.
        pad: the id of the padding; EOS is another one unless it is passed here.
        size: V.
        spread: of the logits, nats.
    """
    shapes = ((2, 3), (3, 5), (1, 6), (4, 2), (2, 1))
    length = 9
    logits = rng.normal(0.0, spread, (len(shapes), length, size)) + rng.normal(0.0, 1.0, (len(shapes), length, 1))
    prompts = [rng.integers(3, size, n).tolist() for n, _ in shapes]
    completions = [[*rng.integers(3, size, n - 1).tolist(), EOS] for _, n in shapes]
    return laid_out(logits, prompts, completions, side=side, pad=pad)


def small(side: str = "right", pad: int = 1, eos: int = 2) -> Iterator[Batch]:
    """Tiny batches with whole numbers as logits, smallest first."""
    shapes = sorted(itertools.product((1, 2), (1, 2), (1, 2, 3), (0, 1), (3, 4)), key=lambda s: (s[0] * (s[1] + s[2] + s[3]) * s[4], s))
    for count, prompt, answer, padding, size in shapes:
        length = prompt + answer + padding + (count - 1)
        b, t, v = np.indices((count, length, size))
        logits = ((b * 2 + t * (v + 2) + v * v + 3 * v + b * t * v) % 5).astype(np.float64)
        prompts = [[(k + j) % 2 * (size - 1) for j in range(prompt)] for k in range(count)]
        completions = [
            [*((3 * j + k) % size if (3 * j + k) % size != pad else 0 for j in range(answer - 1 + k)), eos] for k in range(count)
        ]
        yield laid_out(logits, prompts, completions, side=side, pad=pad)
