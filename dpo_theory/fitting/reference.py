"""The reference policy of a fit: by name, from a mapping, or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.nodes import Nodes
from dpo_theory.fitting.preferences import Preferences
from dpo_theory.fitting.sources import open_table
from dpo_theory.fitting.table import numbers, refuse

__all__ = ["NAMED", "reference_log_probs"]

NAMED = {
    "uniform": "uniform over the items of a context",
    "counts": "proportional to how often an item was compared or ranked",
    "declining": "skewed: proportional to n, n - 1, ..., 1 in the order of the items",
}


def reference_log_probs(reference: Any, data: Preferences, nodes: Nodes) -> tuple[Array, str]:
    """(M,) log-probabilities, normalised within each context, and what they are in words.

    Args:
        reference: `uniform`, `counts`, `declining`, a mapping item -> probability or context -> mapping, or the name of a
            file with the columns item, probability and, for several contexts, prompt.
        data: the preferences.
        nodes: their nodes.

    Raises:
        ValueError: an item has no probability, or one that is not positive, or they do not sum to 1 in a context.
    """
    x, size = nodes.n_contexts, nodes.size
    if isinstance(reference, str) and reference in NAMED:
        if reference == "declining":
            mass = (size[nodes.context] - (np.arange(len(nodes.context)) - nodes.first[nodes.context])).astype(np.float64)
        elif reference == "counts":
            mass = nodes.appearances
        else:
            mass = np.ones(len(nodes.context))
        return _normalised(mass, nodes.context, x), NAMED[reference]
    if isinstance(reference, Mapping):
        log_probs, left = _looked_up(dict(reference), "the reference", data, nodes)
        return log_probs, f"given{left}"
    if isinstance(reference, (str, Path)):
        if not str(reference) or not Path(reference).exists():
            raise ValueError(f"the reference {str(reference)!r} is neither a file nor one of {', '.join(NAMED)}.")
        log_probs, left = _looked_up(_from_file(reference), str(reference), data, nodes)
        return log_probs, f"from {Path(reference).name}{left}"
    raise ValueError(f"reference is {reference!r}, expected {', '.join(NAMED)}, a file, or a mapping from items to probabilities.")


def _normalised(mass: Array, context: Array, n_contexts: int) -> Array:
    total = np.bincount(context, weights=mass, minlength=n_contexts)
    return np.log(mass) - np.log(total[context])


def _looked_up(table: dict[Any, Any], name: str, data: Preferences, nodes: Nodes) -> tuple[Array, str]:
    """(M,) log-probabilities, and in words what of the table was left out."""
    by_context = any(isinstance(value, Mapping) for value in table.values())
    mass = np.zeros(len(nodes.context))
    for node, (context, item) in enumerate(zip(nodes.context, nodes.item, strict=True)):
        row = table.get(data.contexts[context]) if by_context else table
        value = None if row is None else row.get(data.items[item])
        if value is None:
            where = f" in the context {data.contexts[context]!r}" if by_context else ""
            raise ValueError(f"{name} gives {data.items[item]!r} no probability{where}. Every item of the data needs one.")
        mass[node] = float(value)
        if not (np.isfinite(mass[node]) and mass[node] > 0):
            raise ValueError(
                f"{name} gives {data.items[item]!r} probability {value}, expected a number > 0: without support no log-ratio "
                "exists. Drop the item, or give it probability."
            )
    total = np.bincount(nodes.context, weights=mass, minlength=nodes.n_contexts)
    tables = [table[context] for context in data.contexts] if by_context else [table]
    listed = [sum(float(value) for value in row.values()) for row in tables]
    wrong = [value for value in listed if abs(value - 1) > 1e-6]
    if wrong:
        raise ValueError(f"{name} sums to {wrong[0]:.6g}, expected 1. Divide by the sum if these are counts.")
    left = (
        "" if np.all(np.abs(total - 1) <= 1e-6) else f", without items that were not compared: the rest, {total.min():.6g}, was scaled to 1"
    )
    return np.log(mass) - np.log(total[nodes.context]), left


def _from_file(path: Any) -> dict[Any, Any]:
    table = open_table(path)
    by_context = "prompt" in table.header
    wanted = ("prompt", "item", "probability") if by_context else ("item", "probability")
    for column in wanted:
        if column not in table.header:
            raise ValueError(
                f"{table.name} has the columns {', '.join(table.header)}, expected item, probability and, for several contexts, "
                "prompt. Or name one of uniform, counts, declining."
            )
    found: dict[Any, Any] = {}
    for chunk in table.chunks(wanted):
        values = numbers(table, chunk, "probability")
        for row, (item, value) in enumerate(zip(chunk.columns["item"], values, strict=True)):
            home = found.setdefault(chunk.columns["prompt"][row], {}) if by_context else found
            if item in home:
                raise refuse(table, chunk.start + row, f"{item!r} has a probability already", "Keep one row for each item.")
            home[item] = float(value)
    return found
