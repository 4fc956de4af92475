"""A fit as JSON values; what does not exist is null."""

from __future__ import annotations

import math
from typing import Any

from dpo_theory.evidence import SCHEMA_VERSION
from dpo_theory.fitting.result import Context, Fit
from dpo_theory.report.schema import FIT

__all__ = ["to_dict", "to_json"]


def to_json(fit: Fit) -> str:
    """The fit by the schema `dpo-theory/fit`."""
    from dpo_theory.report.json import dump

    return dump(to_dict(fit))


def to_dict(fit: Fit) -> dict[str, Any]:
    """The fit as JSON values."""
    return {
        "schema": FIT,
        "schema_version": SCHEMA_VERSION,
        "source": fit.source,
        "kind": fit.kind,
        "rows_read": fit.rows_read,
        "exists": fit.exists,
        "beta": fit.beta,
        "reference": fit.reference,
        "distance": _number(fit.distance),
        "ties": {
            "treatment": fit.ties,
            "seen": fit.ties_seen,
            "dropped": fit.ties_dropped,
            "nu": _number(fit.tie_parameter),
        },
        "dropped_items": [{"context": context, "item": item} for context, item in fit.dropped_items],
        "precision": fit.precision,
        "reward_bound": _number(fit.reward_bound),
        "policy_bound": _number(fit.policy_bound),
        "notes": list(fit.notes),
        "contexts": [_context(fit, context) for context in fit.by_context],
    }


def _context(fit: Fit, context: Context) -> dict[str, Any]:
    return {
        "name": context.name,
        "observations": context.observations,
        "identifiable_differences": context.rank,
        "exists": context.exists,
        "reason": context.reason,
        "connected_components": [list(group) for group in context.components],
        "strongly_connected_components": [list(group) for group in context.strong],
        "ahead": list(context.ahead),
        "behind": list(context.behind),
        "crossings": context.crossings,
        "base": context.base,
        "distance": _number(context.distance),
        "search_distance": _number(context.search_distance),
        "log_distance": _number(context.log_distance),
        "more_observations": context.more,
        "items": [_item(fit, row) for row in range(context.rows.start, context.rows.stop)],
    }


def _item(fit: Fit, row: int) -> dict[str, Any]:
    return {
        "item": fit.items[row],
        "strength": _number(fit.strengths[row]),
        "standard_error": _number(fit.standard_errors[row]),
        "direction": float(fit.direction[row]),
        "log_ref": float(fit.log_ref[row]),
        "dpo_log_policy": _number(fit.dpo_log_policy[row]),
        "rlhf_log_policy": _number(fit.rlhf_log_policy[row]),
        "rlhf_searched_log_policy": _number(fit.rlhf_searched[row]),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
