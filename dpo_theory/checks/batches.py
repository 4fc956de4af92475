"""Pairs to look at: small and readable first, then wide, then extreme. Lengths are unequal, references are not the policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import product
from typing import Any

import numpy as np

from bandits.data import PairLogProbs

__all__ = ["at_reference", "drawn_from", "extreme", "small", "take", "wide"]

MARGINS = (0.0, 1e-8, -1e-8, 1.0, -1.0, 20.0, -20.0, 40.0, -40.0, 800.0, -800.0, 1e3, -1e3, 1e4, -1e4)


GIVEN: ContextVar[PairLogProbs | None] = ContextVar("pairs to draw from", default=None)


@contextmanager
def drawn_from(pairs: PairLogProbs | None) -> Iterator[None]:
    """Within this, `wide` and `at_reference` draw from the given pairs instead of making their own."""
    token = GIVEN.set(pairs)
    try:
        yield
    finally:
        GIVEN.reset(token)


def small() -> PairLogProbs:
    """81 pairs with log-probabilities -1, -2, -1/2 and lengths 2, 3, 5: what a counterexample should look like."""
    rows = np.array(list(product((-1.0, -2.0, -0.5), repeat=4)))
    lengths = np.array([(2, 2), (2, 3), (5, 2)], dtype=float)[np.arange(len(rows)) % 3]
    return PairLogProbs(*rows.T, *lengths.T)


def wide(rng: np.random.Generator, n: int = 256) -> PairLogProbs:
    """Sequence log-probabilities from -0.01 to about -200, margins up to about 60 of both signs, lengths 1 to 64."""
    given = GIVEN.get()
    if given is not None:
        return take(given, rng.integers(len(np.asarray(given.policy_chosen)), size=n))
    base = -rng.gamma(2.0, 15.0, size=(n, 1)) - 0.01
    rows = np.minimum(base + rng.normal(size=(n, 4)) * rng.choice([0.1, 1.0, 8.0], size=(n, 1)), -0.01)
    lengths = rng.integers(1, 65, size=(n, 2)).astype(float)
    return PairLogProbs(*rows.T, *lengths.T)


def at_reference(rng: np.random.Generator, n: int = 64) -> PairLogProbs:
    """Policy equal to reference; the two answers differ."""
    pairs = wide(rng, n)
    return pairs._replace(ref_chosen=pairs.policy_chosen, ref_rejected=pairs.policy_rejected)


def extreme() -> PairLogProbs:
    """Margins 0, 1e-8, 1, 20, 40, 800, 1e3, 1e4 of both signs, and log-probabilities from -1e4 to -1e-12."""
    rows = []
    for margin in MARGINS:
        chosen, rejected = (-1e-3, -1e-3 - margin) if margin >= 0 else (-1e-3 + margin, -1e-3)
        rows.append((chosen, rejected, -1e-3, -1e-3))
        rows.append((-1e4, -1e4, -1e4 - margin / 2, -1e4 + margin / 2) if abs(margin) < 1e4 else (-1e4, -1e4, -2e4, -1e4))
    rows += [(-1e-12, -1e-12, -1e-12, -1e-12), (-1e-12, -50.0, -1.0, -40.0), (-50.0, -1e-12, -40.0, -1.0)]
    chosen, rejected, ref_chosen, ref_rejected = np.array(rows).T
    return PairLogProbs(chosen, rejected, ref_chosen, ref_rejected, np.full(len(rows), 7.0), np.full(len(rows), 11.0))


def take(pairs: PairLogProbs, rows: Any) -> PairLogProbs:
    """Some of the pairs."""
    return PairLogProbs(*(None if column is None else np.asarray(column)[rows] for column in pairs))
