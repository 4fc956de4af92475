"""A drawing of the strengths with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dpo_theory.fitting.result import Fit

__all__ = ["save"]

_MOST = 60


def save(fit: Fit, path: Any) -> None:
    """Draw the strengths of the first context that has an estimate, best on top, with two standard errors each way.

    Args:
        fit: the fit.
        path: a file whose suffix names the format: .png, .pdf, .svg.

    Raises:
        ValueError: no context has an estimate, or the suffix names no format.
    """
    context = next((context for context in fit.by_context if context.exists), None)
    if context is None:
        raise ValueError(f"{fit.source} has no estimate to draw. --drop-undetermined keeps the items that have one.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    strengths, errors = fit.strengths[context.rows], np.nan_to_num(fit.standard_errors[context.rows])
    order = np.argsort(-strengths)[:_MOST][::-1]
    figure = Figure(figsize=(7, 1.2 + 0.22 * len(order)), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    known = canvas.get_supported_filetypes()
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in known:
        raise ValueError(f"cannot tell a picture format from {path}. Use a suffix among {', '.join(sorted(known))}.")
    axes = figure.subplots()
    axes.axvline(0.0, color="0.7", linewidth=1)
    axes.errorbar(strengths[order], np.arange(len(order)), xerr=2 * errors[order], fmt="o", markersize=3, linewidth=1)
    names = [fit.items[context.rows.start + row] for row in order]
    axes.set_yticks(np.arange(len(order)), [name if len(name) <= 40 else name[:39] + "…" for name in names], fontsize=8)
    axes.set_xlabel(f"strength against {context.base}, two standard errors each way")
    hidden = context.size - len(order)
    named = f"{fit.source}, {context.name}" if len(fit.by_context) > 1 else fit.source
    axes.set_title(named + (f" (the best {len(order)} of {context.size})" if hidden else ""), fontsize=9)
    figure.savefig(path)
