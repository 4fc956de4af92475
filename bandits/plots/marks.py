"""How a method looks: colour, marker and line style together, so that a print without colour still tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.door import Array

__all__ = ["band", "mark"]

# Okabe and Ito's palette, which colour-blind readers tell apart.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


def mark(name: str, names: Sequence[str]) -> dict[str, Any]:
    """Colour, marker and line style of `name` among `names`: no two of the first 8 * 13 look the same.

    >>> mark("dpo", ("dpo",))["color"]
    '#000000'
    """
    place = list(names).index(name)
    shift = place // len(COLOURS)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[(place + shift) % len(LINES)],
    }


def band(axes: Any, x: Any, mean: Any, error: Any, *, z: float = 1.96, **look: Any) -> Any:
    """A line through the means and a band of `z` standard errors each way; points without a number are left out.

    Args:
        axes: matplotlib axes.
        x, mean, error: (M,) places, means and standard errors.
        z: half the band's width, in standard errors.
        look: what `mark` gives.

    Returns:
        The line.
    """
    at, middle, wide = (np.asarray(values, dtype=float) for values in (x, mean, error))
    kept = np.isfinite(middle)
    at, middle, wide = at[kept], middle[kept], np.nan_to_num(wide[kept])
    (line,) = axes.plot(at, middle, **look)
    if (wide > 0).any():
        axes.fill_between(at, *_edges(axes, middle, z * wide), color=look.get("color"), alpha=0.15, linewidth=0)
    return line


def _edges(axes: Any, middle: Array, half: Array) -> tuple[Array, Array]:
    low = middle - half
    if axes.get_yscale() == "log":
        low = np.maximum(low, np.abs(middle) / 10)
    return low, middle + half
