"""What can be said of each context of a fit."""

from __future__ import annotations

import math

import numpy as np

from bandits.door import Array
from dpo_theory.fitting.estimate import Estimate
from dpo_theory.fitting.nodes import Nodes
from dpo_theory.fitting.preferences import Preferences
from dpo_theory.fitting.result import Context

__all__ = ["describe"]


def describe(
    data: Preferences, nodes: Nodes, bases: Array, found: Estimate, precision: float | None, davidson_reason: str
) -> tuple[Context, ...]:
    """Identifiability, existence and distances, context by context.

    Args:
        data, nodes: the preferences and their nodes.
        bases: (X,) node of each context's base.
        found: the solves.
        precision: wanted standard error, or None.
        davidson_reason: why Davidson's model has no estimate; empty where it has one or is not used.
    """
    size, first = nodes.size, nodes.first
    load = _observations(data)
    total = 0.5 * np.bincount(nodes.context, weights=_gap(found.log_policy, found.rlhf), minlength=len(size))
    searched = 0.5 * np.bincount(nodes.context, weights=_gap(found.log_policy, found.searched), minlength=len(size))
    crossings = _crossings(nodes)
    contexts = []
    for index, name in enumerate(data.contexts):
        rows = slice(int(first[index]), int(first[index] + size[index]))
        names = np.array([data.items[item] for item in nodes.item[rows]], dtype=object)
        components, strong = _groups(nodes.component[rows], names), _groups(nodes.strong[rows], names)
        up = nodes.direction[rows] == 1
        moved = np.isin(nodes.component[rows], nodes.component[rows][up])
        exists = bool(nodes.determined[index]) and not davidson_reason
        with np.errstate(invalid="ignore"):
            apart = float(np.max(np.abs(found.log_policy[rows] - found.rlhf[rows])))
        contexts.append(
            Context(
                name=name,
                rows=rows,
                observations=float(load[index]),
                rank=int(size[index] - len(components)),
                exists=exists,
                components=components,
                strong=strong,
                ahead=tuple(names[up]),
                behind=tuple(names[moved & ~up]),
                crossings=float(crossings[index]),
                base=data.items[nodes.item[bases[index]]],
                distance=float(total[index]),
                search_distance=float(searched[index]),
                log_distance=apart,
                more=_more(load[index], found.standard_error[rows], precision) if exists else None,
                reason=davidson_reason if nodes.determined[index] else _reason(components, strong),
            )
        )
    return tuple(contexts)


def _crossings(nodes: Nodes) -> Array:
    """(X,) wins of the items that rise for ever over those that fall behind; there is none the other way."""
    wins, up = nodes.wins, nodes.direction == 1
    across = up[wins.chosen] & ~up[wins.rejected]
    return np.bincount(nodes.context[wins.chosen[across]], weights=wins.weight[across], minlength=nodes.n_contexts)


def _reason(components: tuple, strong: tuple) -> str:
    if len(strong) > len(components):
        return "some items never lose to the rest, so the loss falls for ever as they move away from it"
    return "its connected components are never compared with each other, so nothing fixes the difference between them"


def _observations(data: Preferences) -> Array:
    parts = data.rankings or (data.wins, data.ties)
    counts = [np.bincount(part.context, weights=part.weight, minlength=len(data.contexts)) for part in parts]
    return np.sum(counts, axis=0)


def _gap(first: Array, second: Array) -> Array:
    return np.abs(np.exp(first) - np.exp(second))


def _groups(labels: Array, names: Array) -> tuple[tuple[str, ...], ...]:
    """The names under each label, the largest group first, equals in the order of their first member."""
    _, start, inverse = np.unique(labels, return_index=True, return_inverse=True)
    groups: list[list[str]] = [[] for _ in start]
    for name, group in zip(names, inverse, strict=True):
        groups[group].append(name)
    order = sorted(range(len(groups)), key=lambda group: (-len(groups[group]), start[group]))
    return tuple(tuple(groups[group]) for group in order)


def _more(observations: float, errors: Array, precision: float | None) -> int | None:
    """Standard errors shrink with the square root of the number of observations of the same design."""
    if precision is None or np.isnan(errors).any():
        return None
    with np.errstate(over="ignore"):
        needed = observations * (np.square(errors.max() / precision) - 1)
    if not np.isfinite(needed):
        raise ValueError(f"precision is {precision}: no such number of observations can be counted. Ask for a larger standard error.")
    return max(0, math.ceil(needed))
