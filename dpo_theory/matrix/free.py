"""Where a pair that is always won comes to rest: losses that see more than the margin, both log-probabilities free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.population import reward_scale
from dpo_theory.checks.subject import Subject
from dpo_theory.checks.witness import witness
from dpo_theory.evidence import Verdict
from dpo_theory.matrix.record import Cell

__all__ = ["freely"]

REACHES = (40.0, 80.0)  # scaled nats that each log-probability can fall; the reference is in the middle
POINTS = (121, 41)
LEVELS = 7
STATEMENT = "a pair that is always won has finite best log-probabilities"


@dataclass(frozen=True)
class Rest:
    """The best point of a box: coordinates, the end that each runs to (`top`, `bottom`), `flat`, `ray` or none, whether it is alone."""

    at: tuple[float, float]
    ends: tuple[str, str]
    unique: bool
    underflow: bool


def freely(subject: Subject, sees: bool, falls: bool) -> Cell:
    """The cell of the column Det.

    Args:
        subject: the loss.
        sees: it depends on the reference.
        falls: it has no floor.
    """
    reach, twice = (r * reward_scale(subject) for r in REACHES)
    near, far = _best(subject, reach), _best(subject, twice)
    ends = tuple(_end(near, far, k, twice - reach) for k in range(2))
    told = list(filter(None, (_told(far, ends[k], k, twice, sees) for k in range(2))))
    method = f"grids of (log pi_w, log pi_l){', h the log-ratios' if sees else ''}"
    runs = [end for end in ends if end in ("top", "bottom")]
    if not runs and not far.underflow:
        shown = f"F {', '.join(told)}" if far.unique else "F set"
        method += "" if far.unique else f": {', '.join(told)} among others"
        return Cell("Det", shown, Verdict.HOLDS, STATEMENT, method, "measured, not proved")
    pairs = _pairs(np.array([far.at]), twice)
    because = "the loss underflows to 0" if far.underflow else f"the loss is smallest at the edge of what was looked at: {', '.join(told)}"
    shown = "inf" if far.underflow or (sees and ends == ("top", "bottom")) else ", ".join(told)
    found = witness(subject, pairs, "a smallest loss inside", float(subject.values(pairs)[0]), because)
    return Cell("Det", shown + (", the loss to -inf" if falls else ""), Verdict.REFUTED, STATEMENT, method, because, counterexample=found)


def _end(near: Rest, far: Rest, k: int, further: float) -> str:
    """Which way a coordinate runs: to an edge of the box, or along with the box."""
    moved = far.at[k] - near.at[k]
    return far.ends[k] or ("bottom" if moved < -0.6 * further else "")


def _told(rest: Rest, end: str, k: int, reach: float, sees: bool) -> str:
    name = "wl"[k]
    if end in ("flat", "ray"):
        return ""
    if end:
        return f"h_{name} = {'' if end == 'top' else '-'}inf" if sees else f"pi_{name} = {1 if end == 'top' else 0}"
    return f"h_{name} = {rest.at[k] + reach / 2:.4g}" if sees else f"log pi_{name} = {rest.at[k]:.4g}"


def _best(subject: Subject, reach: float) -> Rest:
    bottom, top = np.full(2, -reach), np.full(2, -1e-9)
    low, high, best, least = bottom, top, np.full(2, -reach / 2), np.inf
    unique = True
    for level in range(LEVELS):
        axes = [np.append(np.linspace(low[k], high[k], POINTS[level > 0]), best[k]) for k in range(2)]
        points = np.stack([part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij")], axis=1)
        values = subject.values(_pairs(points, reach))
        ties = points[values <= np.nanmin(values)]
        if level == 0:
            unique = len(np.unique(ties.round(9), axis=0)) == 1
        if np.nanmin(values) < least:
            least = float(np.nanmin(values))
            best = ties[np.argmin(np.abs(ties + reach / 2).sum(axis=1))]
        width = (high - low) / 20
        low, high = np.maximum(best - width, bottom), np.minimum(best + width, top)
    found = tuple(_runs(subject, best, least, k, bottom[k], top[k], reach) for k in range(2))
    return Rest((float(best[0]), float(best[1])), (found[0], found[1]), unique, least == 0.0 and _underflows(subject, best, reach))


def _underflows(subject: Subject, best: np.ndarray, reach: float) -> bool:
    """On the way to a loss of 0 there are losses too small for any polynomial: it is 0 in doubles alone."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        value = subject.values(_pairs((1 - middle) * np.full((1, 2), -reach / 2) + middle * best[None], reach))[0]
        if 0 < value < 1e-100:
            return True
        low, high = (low, middle) if value == 0 else (middle, high)
    return False


def _runs(subject: Subject, best: np.ndarray, least: float, k: int, bottom: float, top: float, reach: float) -> str:
    """`top`, `bottom`: the loss falls all the way to that edge, however slowly; `flat`, `ray`: on one side at least nothing changes."""
    if best[k] > -1e-6 * reach:
        return "top"
    if best[k] < bottom * (1 - 1e-6):
        return "bottom"
    seen = {}
    for name, edge in (("top", top), ("bottom", bottom)):
        points = np.repeat(best[None], 9, axis=0)
        points[:, k] = np.linspace(best[k], edge, 9)
        pairs = _pairs(points, reach)
        seen[name] = subject.values(pairs), subject.gradients(pairs)[:, k]
    if all((slopes == 0).all() for _, slopes in seen.values()):
        return "flat"
    if any((slopes[1:] == 0).all() for _, slopes in seen.values()):
        return "ray"
    for name, sign in (("top", -1), ("bottom", 1)):
        values, slopes = seen[name]
        if values[-1] <= least + 1e-12 * (1 + abs(least)) and (sign * slopes[1:] > 0).all():
            return name
    return ""


def _pairs(points: np.ndarray, reach: float) -> PairLogProbs:
    ref = np.full(len(points), -reach / 2)
    return PairLogProbs(points[:, 0], points[:, 1], ref, ref, np.full(len(points), 4.0), np.full(len(points), 4.0))
