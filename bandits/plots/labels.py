"""Labels beside what they name, pushed apart where they would touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.door import Array

__all__ = ["label_ends", "label_points"]

_LINE = 9.5  # points from one label to the next


def label_ends(axes: Any, lines: Sequence[Any], names: Sequence[str], *, gap: float = 5.0) -> None:
    """Each line's name at its right end, in its colour; lines without points are passed over.

    Args:
        axes: matplotlib axes, its limits settled.
        lines: what `band` or `axes.plot` returned.
        names: one for each line.
        gap: points between the end and the name.
    """
    drawn = [(line, name) for line, name in zip(lines, names, strict=True) if len(line.get_xdata())]
    ends = [(float(line.get_xdata()[-1]), float(line.get_ydata()[-1])) for line, _ in drawn]
    _write(axes, ends, [name for _, name in drawn], [line.get_color() for line, _ in drawn], gap)


def label_points(
    axes: Any, points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str], *, gap: float = 5.0
) -> None:
    """Each point's name to its right, in its colour."""
    _write(axes, points, names, colours, gap)


def _write(axes: Any, points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str], gap: float) -> None:
    if not points:
        return
    axes.figure.draw_without_rendering()
    to_points = 72 / axes.figure.dpi
    at = axes.transData.transform(np.array(points)) * to_points
    box = axes.get_window_extent()
    heights = _apart(at, [5.0 * len(name) for name in names], box.y0 * to_points + _LINE / 2, box.y1 * to_points - _LINE / 2)
    for (x, y), name, colour, height, place in zip(points, names, colours, heights, at, strict=True):
        axes.annotate(
            name, (x, y), xytext=(gap, height - place[1]), textcoords="offset points", color=colour, va="center", fontsize=7.5,
            annotation_clip=False,
        )  # fmt: skip


def _apart(at: Array, widths: Sequence[float], bottom: float, top: float) -> Array:
    """(M,) heights near those wanted, with a line between any two labels that would overlap sideways; of equals the first is on top."""
    heights = at[:, 1] - 1e-3 * np.arange(len(at))
    order = np.argsort(heights, kind="stable")
    for _ in range(200):
        heights = np.clip(heights, bottom, top)
        moved = False
        for i, low in enumerate(order):
            for high in order[i + 1 :]:
                beside = at[low, 0] + widths[low] < at[high, 0] or at[high, 0] + widths[high] < at[low, 0]
                short = _LINE - (heights[high] - heights[low])
                if not beside and short > 1e-3:
                    heights[low] -= short / 2
                    heights[high] += short / 2
                    moved = True
        if not moved:
            break
    return heights
