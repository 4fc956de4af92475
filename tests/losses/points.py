"""Where the precision of losses is measured: far margins, and log-probabilities from -1e4 to -1e-12."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bandits.data import LabelledLogProbs, PairLogProbs, RankedLogProbs, ScoredLogProbs

__all__ = ["MARGINS", "Points", "points"]

MARGINS = (0.0, 1e-8, -1e-8, 30.0, -30.0, 1e3, -1e3, 1e4, -1e4)
LOGPS = (-1e-12, -1e-8, -1e-3, -0.69, -1.0, -30.0, -1e3, -1e4)


class Points(NamedTuple):
    """A record of inputs: `moved` are its fields of floats that are rounded, `policy` those that a gradient is taken in."""

    record: Any
    moved: tuple[str, ...]
    policy: tuple[str, ...]


def points(takes: type) -> Points:
    """The inputs for losses that take this record.

    Raises:
        KeyError: nobody has said where losses of this record are to be measured.
    """
    return _MAKERS[takes]()


def _pairs() -> Points:
    rows = []
    for m in MARGINS:
        near = (-1e-12, -1e-12 - m) if m >= 0 else (-1e-12 + m, -1e-12)
        rows.append((*near, -1e-12, -1e-12))
        rows.append((-1.0 - abs(m) + m, -1.0 - abs(m), -1.0, -1.0))
        rows.append((-1e4, -1e4, -1e4 - m / 2, -1e4 + m / 2) if abs(m) < 1e4 else (-1e4, -1e4, -1e4 - max(m, 0), -1e4 + min(m, 0)))
    for x in LOGPS:
        rows += [(x, -2.0, -1.5, -1.25), (-2.0, x, -1.5, -1.25), (x, x, x, x), (x, -3.5, x, -3.25)]
    columns = np.array(rows).T
    n = columns.shape[1]
    lengths = np.resize([7.0, 11.0, 3.0], n), np.resize([11.0, 2.0, 3.0], n)
    record = PairLogProbs(*columns, *lengths)
    return Points(record, record._fields[:4], record._fields[:2])


def _labelled() -> Points:
    rows = [(-1.0 - max(-m, 0), -1.0 - max(m, 0), d, 0.5) for m in MARGINS for d in (0.0, 1.0)]
    rows += [(x, -1.5, d, 0.0) for x in LOGPS for d in (0.0, 1.0)]
    return Points(LabelledLogProbs(*np.array(rows).T), ("policy", "ref", "baseline"), ("policy",))


def _ranked() -> Points:
    rows = [((-1.0 - max(-m, 0), -1.0 - max(m, 0), -1.0, -2.0), (-1.0, -1.0, -2.0, -1.5)) for m in MARGINS]
    rows += [((x, -2.0, -1.0, x), (-1.5, -1.25, x, x)) for x in LOGPS]
    policy, ref = np.array(rows).transpose(1, 0, 2)
    return Points(RankedLogProbs(policy, ref), ("policy", "ref"), ("policy",))


def _scored() -> Points:
    record, moved, policy = _ranked()
    reward = np.resize([1.0, -0.5, 0.25, 3.0, 0.0], record.policy.shape)
    return Points(ScoredLogProbs(record.policy, record.ref, reward), (*moved, "reward"), policy)


_MAKERS = {ScoredLogProbs: _scored, PairLogProbs: _pairs, LabelledLogProbs: _labelled, RankedLogProbs: _ranked}
