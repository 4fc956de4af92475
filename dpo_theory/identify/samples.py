"""Batches on which losses are told apart: log-ratios of many sizes and both signs, unequal lengths, every optional column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bandits import data
from bandits.data import PairLogProbs

__all__ = ["PLAIN", "RECORDS", "ladder", "sample", "take"]

PLAIN = PairLogProbs._fields[:6]
RECORDS: Mapping[str, type] = {name: getattr(data, name) for name in data.__all__ if name.endswith("LogProbs")}
SIZES = (0.05, 0.5, 2.0, 8.0, 30.0)
TOKENS = 12


def sample(takes: type, n: int, seed: int) -> Any:
    """(n,) rows of the record that a loss takes, every column filled.

    Args:
        takes: PairLogProbs or another record of `bandits.data`.
        n: how many.
        seed: of the generator.
    """
    rng = np.random.default_rng([17, seed])
    if takes is not PairLogProbs:
        return _other(takes, n, rng)
    size = np.resize(SIZES, n)
    chosen, rejected = (_tokens(n, size, rng) for _ in "wl")
    policy = [logps.sum(axis=-1) for logps, _ in (chosen, rejected)]
    ref = [np.minimum(p + rng.normal(size=n) * size, -1e-3 - 0.01 * rng.random(n)) for p in policy]
    tokens = {"chosen_token_logps": chosen[0], "rejected_token_logps": rejected[0]}
    tokens |= {f"ref_{name}": _to(r, logps) for (name, logps), r in zip(tokens.items(), ref, strict=True)}
    more = {"target": rng.uniform(0.05, 0.95, n), "offset": rng.normal(size=n) ** 2, **tokens}
    return PairLogProbs(policy[0], policy[1], ref[0], ref[1], chosen[1], rejected[1], **more)


def ladder(takes: type) -> Any:
    """Rows with few digits, simplest first: what a counterexample should look like."""
    from itertools import product

    if takes is not PairLogProbs:
        return sample(takes, 24, 5)
    rows = sorted(product((-1.0, -2.0, -0.5), repeat=4), key=lambda row: (len(set(row)), sum(v != -1.0 for v in row)))
    a, b, c, d = np.array(rows).T
    lengths = np.array([(1, 1), (2, 2), (2, 3), (5, 2)], dtype=float)
    n, k = len(rows), len(lengths)
    columns = [np.tile(v, k) for v in (a, b, c, d)]
    counts = np.repeat(lengths, n, axis=0).T
    tokens = [_spread(logp, count) for logp, count in zip(columns, (*counts, *counts), strict=True)]
    more = [np.tile(np.resize(values, n), k) for values in ([0.75, 0.25], [1.0, 0.5])]
    return PairLogProbs(*[*columns, *counts, *more, *tokens])


def take(batch: Any, rows: Any) -> Any:
    """Some of the rows."""
    return type(batch)(*(None if column is None else np.asarray(column)[rows] for column in batch))


def _tokens(n: int, size: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count = rng.integers(1, TOKENS + 1, size=n)
    logps = -rng.exponential(size=(n, TOKENS)) * size[:, None] / 4 - 1e-3
    return np.where(np.arange(TOKENS) < count[:, None], logps, 0.0), count.astype(float)


def _to(total: np.ndarray, logps: np.ndarray) -> np.ndarray:
    """Token log-probabilities with another total: each answer's are stretched."""
    return np.asarray(logps * (total / logps.sum(axis=-1))[:, None])


def _spread(logps: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(np.arange(5) < counts[:, None], (logps / counts)[:, None], 0.0)


def _other(takes: type, n: int, rng: np.random.Generator) -> Any:
    wide = ("RankedLogProbs", "ScoredLogProbs")
    shape = (n, 4) if takes.__name__ in wide else (n,)
    size = np.resize(SIZES[:4], n).reshape(n, *(1,) * (len(shape) - 1))
    policy = -rng.exponential(size=shape) * size - 1e-3
    ref = np.minimum(policy + rng.normal(size=shape) * size, -1e-3)
    filled = {"policy": policy, "ref": ref, "desirable": np.arange(n) % 3 != 0, "baseline": rng.random(n), "reward": rng.normal(size=shape)}
    unknown = [name for name in takes._fields if name not in filled]  # type: ignore[attr-defined]
    if unknown:
        raise ValueError(f"no values are known for {', '.join(unknown)} of {takes.__name__}.")
    return takes(*(filled[name] for name in takes._fields))  # type: ignore[attr-defined]
