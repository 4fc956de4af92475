"""The fingerprint of an opaque loss: measured, and said to be so."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from bandits.data import PairLogProbs
from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint import reward
from dpo_theory.fingerprint.known import Known
from dpo_theory.fingerprint.record import Aim, Fingerprint, Statement

__all__ = ["of"]

TOLERANCE = 1e-6
PROBABILITIES = (0.7, 0.9)


def of(known: Known) -> Fingerprint:
    """Margins, properness and the three tests by evaluation alone."""
    notes = (f"opaque ({known.opaque.splitlines()[0][:120]}): measured, nothing is proved",)
    points = reward.drawn(200)
    values = known.values(_pairs(points))
    shifted = points + np.array([1.25, 1.25, 0.5, 0.5]) - np.array([2.0, 0, 2.0, 0])
    size = np.maximum(1.0, np.abs(values))
    if np.max(np.abs(known.values(_pairs(shifted)) - values) / size) > TOLERANCE:
        return Fingerprint(known.name, "none", statements=_tests(known, points, values), notes=notes)
    grid = np.sinh(np.linspace(-9, 9, 361))
    slopes = _slopes(known, grid)
    aims = tuple(_aim(known, p, grid, slopes) for p in PROBABILITIES)
    told = "m = log-ratio of chosen - log-ratio of rejected, nats"
    return Fingerprint(known.name, "margin", told, aims=aims, statements=_properness(aims, grid, slopes), notes=notes)


def _tests(known: Known, points: np.ndarray, values: np.ndarray) -> tuple[Statement, ...]:
    first, second, at, usable = reward.tests(lambda p: known.gradients(_pairs(p)), points)
    size = np.maximum(1.0, np.abs(values))
    ignored = bool(np.max(np.abs(known.values(_pairs(points - np.array([0, 0, 1.5, 0.5]))) - values) / size) <= TOLERANCE)
    third = float(np.max(np.abs(known.values(_pairs(points - np.array([0.75, 0.25, 0.75, 0.25]))) - values) / size))
    slopes = known.gradients(_pairs(np.array([at])))[0]
    return reward.verdicts(first, second, third, ignored, at, slopes, usable, TOLERANCE)


def _aim(known: Known, p: float, grid: np.ndarray, slopes: np.ndarray) -> Aim:
    slope = p * slopes - (1 - p) * slopes[::-1]
    turns = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))
    if not len(turns):
        return Aim(p, float("inf") if slope[-1] < 0 else float("-inf"), None, f"measured: no turn within |m| <= {grid[-1]:.0f}")

    def at(m: float) -> float:
        up, down = _slopes(known, np.array([m, -m]))
        return p * up - (1 - p) * down

    roots = [brentq(at, grid[k], grid[k + 1], xtol=1e-13, rtol=1e-14) if slope[k + 1] > 0 else grid[k + 1] for k in turns]
    risks = [float(np.dot([p, 1 - p], known.values(_margins(np.array([m, -m]))))) for m in roots]
    return Aim(p, float(roots[int(np.argmin(risks))]), None, "measured")


def _properness(aims: tuple[Aim, ...], grid: np.ndarray, slopes: np.ndarray) -> tuple[Statement, ...]:
    low, high = (aim.margin for aim in aims)
    logits = [float(np.log(p / (1 - p))) for p in PROBABILITIES]
    finite = np.isfinite([low, high]).all()
    bt = bool(finite and low > 0 and abs(high / low - logits[1] / logits[0]) < TOLERANCE)
    up, down = slopes, slopes[::-1]
    seen = np.abs(grid) < 3 * max(abs(high), 1e-3) if finite else np.abs(grid) < 50
    total, q = (up + down)[seen], (down / np.where(up + down == 0, 1.0, up + down))[seen]
    inside = (q > 1e-9) & (q < 1 - 1e-9)
    rises = bool((total < 0).all() and (np.diff(q)[inside[:-1] & inside[1:]] > 0).all() and finite and high > low)
    symmetric = bool(np.max(np.abs(up - down)) <= TOLERANCE * np.max(np.abs(up)))
    return (
        Statement("bt-proper", _holds(bt), f"it aims at {low:.10g} for p = 0.7 and at {high:.10g} for p = 0.9"),
        Statement("strictly-proper", _holds(rises), f"the sign of l'(m) + l'(-m) and of q' on {int(seen.sum())} margins"),
        Statement("calibrated", _holds(bool(low > 0 and high > 0)), "the best margins of p = 0.7 and p = 0.9"),
        Statement("noise-symmetric", _holds(symmetric), "l'(m) - l'(-m)"),
    )


def _holds(true: bool) -> Verdict:
    return Verdict.HOLDS if true else Verdict.REFUTED


def _slopes(known: Known, margins: np.ndarray) -> np.ndarray:
    slopes = known.gradients(_margins(margins))
    return (slopes[:, 0] - slopes[:, 1]) / 2


def _margins(m: np.ndarray) -> PairLogProbs:
    base = -1.0 - np.abs(m)
    return PairLogProbs(base + m / 2, base - m / 2, base, base, np.full(m.shape, 4.0), np.full(m.shape, 4.0))


def _pairs(points: np.ndarray) -> PairLogProbs:
    return PairLogProbs(*[*points.T, np.full(len(points), 4.0), np.full(len(points), 4.0)])
