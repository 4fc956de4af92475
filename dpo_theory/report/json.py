"""Strict JSON: no NaN, no Infinity, ASCII, so that it passes through any pipe unchanged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["dump", "render"]


def render(report: Report) -> str:
    """The report by the schema in `dpo_theory.report.schema`."""
    return dump(report.to_dict())


def dump(value: Any) -> str:
    """Any JSON value, in the one style that this package writes.

    >>> print(dump({"residual": 0.5}), end="")
    {
      "residual": 0.5
    }
    """
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
