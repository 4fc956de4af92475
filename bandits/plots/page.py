"""The figure of a study, and its file: the same records give the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from bandits.experiments.engine.plan import Study
from bandits.experiments.engine.records import Records
from bandits.plots.look import style

__all__ = ["figure", "panels", "save", "to_svg"]

_NO_DATE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def figure(study: Study, records: Records, *, size: tuple[float, float] = (6.4, 3.6)) -> Any:
    """The study's figure, as matplotlib has it, inches wide and high.

    Raises:
        ValueError: there is no record to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if len(records) == 0:
        raise ValueError(f"the study {study.name} has no record to draw.")
    with style():
        found = Figure(figsize=size)
        FigureCanvasAgg(found)
        study.draw(records, found)
    return found


def to_svg(study: Study, records: Records) -> str:
    """The figure as SVG text without date or version; letters are paths, so that it looks the same everywhere."""
    with style():
        text = io.StringIO()
        figure(study, records).savefig(text, format="svg", metadata=_NO_DATE["svg"])
    return text.getvalue()


def save(study: Study, records: Records, path: str | Path) -> None:
    """Write the figure to a file whose suffix names the format: .svg, .pdf, .png.

    Raises:
        ValueError: the suffix is another one.
        OSError: the file cannot be written.
    """
    kind = Path(path).suffix.lower().lstrip(".")
    if kind not in _NO_DATE:
        raise ValueError(f"cannot tell a picture format from {str(path)!r}. Use .svg, .pdf or .png.")
    if kind == "svg":
        Path(path).write_text(to_svg(study, records), encoding="utf-8")
        return
    with style():
        figure(study, records).savefig(path, format=kind, metadata=_NO_DATE[kind])


def panels(figure: Any, count: int = 1, *, room: float = 1.2) -> list[Any]:
    """`count` axes side by side, each with room for labels on its right.

    Args:
        figure: matplotlib figure.
        count: how many.
        room: inches kept free on the right of each.
    """
    width, height = figure.get_size_inches()
    if width / count < 3.2 + room:
        width = count * (3.2 + room)
        figure.set_size_inches(width, height)
    each = width / count
    left, bottom, top = 0.62, 0.5, 0.35
    return [
        figure.add_axes(((i * each + left) / width, bottom / height, (each - left - room) / width, 1 - (bottom + top) / height))
        for i in range(count)
    ]
