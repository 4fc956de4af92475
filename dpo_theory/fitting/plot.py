"""Strengths with their intervals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from dpo_theory.fitting.names import shown
from dpo_theory.fitting.result import Fit

__all__ = ["require_picture", "save"]

_MOST = 60


def require_picture(path: Any) -> None:
    """Refuse a file that no picture can be written to.

    Raises:
        ValueError: the suffix names no format, or the folder is not there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    known = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix.lower().lstrip(".") not in known:
        raise ValueError(f"cannot tell a picture format from {str(path)!r}. Use a suffix among {', '.join(sorted(known))}.")
    if not Path(path).resolve().parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {Path(path).resolve().parent}. Create it first.")


def save(fit: Fit, path: Any) -> None:
    """Draw the strengths of the first context that has an estimate, best on top, with two standard errors each way.

    Args:
        fit: the fit.
        path: a file whose suffix names the format: .png, .pdf, .svg.

    Raises:
        ValueError: no context has an estimate, or as `require_picture`.
    """
    if not any(context.exists for context in fit.by_context):
        raise ValueError(f"{fit.source} has no estimate to draw. --drop-undetermined keeps the items that have one.")
    require_picture(path)
    _figure(fit).savefig(path)


def svg(fit: Fit) -> str:
    """The same picture as SVG text, letters as paths; empty where no context has an estimate."""
    if not any(context.exists for context in fit.by_context):
        return ""
    import matplotlib

    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "dpo-theory"}):
        _figure(fit).savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _figure(fit: Fit) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    context = next(context for context in fit.by_context if context.exists)
    strengths, errors = fit.strengths[context.rows], np.nan_to_num(fit.standard_errors[context.rows])
    order = np.argsort(-strengths)[:_MOST][::-1]
    figure = Figure(figsize=(7, 1.2 + 0.22 * len(order)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axvline(0.0, color="0.7", linewidth=1)
    axes.errorbar(strengths[order], np.arange(len(order)), xerr=2 * errors[order], fmt="o", markersize=3, linewidth=1)
    names = [_plain(fit.items[context.rows.start + row]) for row in order]
    axes.set_yticks(np.arange(len(order)), [name if len(name) <= 40 else name[:39] + "…" for name in names], fontsize=8)
    axes.set_xlabel(f"strength against {_plain(context.base)}, two standard errors each way")
    hidden = context.size - len(order)
    named = f"{fit.source}, {context.name}" if len(fit.by_context) > 1 else fit.source
    axes.set_title(_plain(named) + (f" (the best {len(order)} of {context.size})" if hidden else ""), fontsize=9)
    return figure


def _plain(name: str) -> str:
    """The name on one line, its dollar signs no formula."""
    return shown(name).replace("$", r"\$")
