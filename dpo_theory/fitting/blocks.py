"""What a fit says, in order: sentences and tables, before any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dpo_theory.fitting.names import listed, shown
from dpo_theory.fitting.result import Context, Fit

__all__ = ["Grid", "Sentences", "blocks", "title"]

_CONTEXTS, _ROWS = 50, 300


@dataclass(frozen=True)
class Sentences:
    """Lines of text under a heading; the heading may be empty."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table; columns after the first `words` are numbers."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def title(fit: Fit) -> str:
    """What was fitted, on one line."""
    total = sum(context.observations for context in fit.by_context)
    contexts = _count(len(fit.by_context), "context")
    items = _count(len(set(fit.items)), "item")
    return f"{shown(fit.source)}: {contexts}, {items}, {_number(total)} {_kind(fit, total)}"


def blocks(fit: Fit) -> Iterator[Sentences | Grid]:
    """The sentences and tables of a fit, in order."""
    yield Sentences("", tuple(_reading(fit)))
    many = len(fit.by_context) > 1
    if many:
        yield _overview(fit)
    for context in fit.by_context[:_CONTEXTS]:
        yield Sentences(shown(context.name) if many else "", tuple(_standing(context, fit)))
    if len(fit.by_context) > _CONTEXTS:
        yield Sentences("", (f"{len(fit.by_context) - _CONTEXTS} more contexts are in the JSON output.",))
    drawn = 0
    solved = [context for context in fit.by_context if context.exists]
    for number, context in enumerate(solved):
        drawn += context.size
        if drawn > _ROWS and number:
            yield Sentences("", (f"The tables of {len(solved) - number} more contexts are in the JSON output.",))
            break
        yield _strengths(context, fit)
    if solved:
        yield Sentences("", tuple(_agreement(fit, solved)))


def _reading(fit: Fit) -> Iterator[str]:
    yield from fit.notes
    if fit.ties_seen and fit.ties == "drop":
        yield (
            f"Ties: {_number(fit.ties_dropped)} dropped. `--ties half` counts half a win for each side, "
            "`--ties davidson` fits a model with ties."
        )
    elif fit.ties_seen and fit.ties == "half":
        yield f"Ties: {_number(fit.ties_seen)}, each counted as half a win for each side."
    elif fit.ties == "davidson":
        fitted = "" if np.isnan(fit.tie_parameter) else f", nu = {fit.tie_parameter:.4f}"
        left = f"; {_number(fit.ties_dropped)} in contexts without an estimate were not used" if fit.ties_dropped else ""
        yield f"Ties: {_number(fit.ties_seen)}, Davidson's model{fitted}{left}."
    if fit.dropped_items:
        many = len({context for context, _ in fit.dropped_items}) > 1
        names = [f"{item} in {context}" if many else item for context, item in fit.dropped_items]
        yield f"Dropped, strength not determined: {_count(len(names), 'item')}: {listed(names)}."


def _standing(context: Context, fit: Fit) -> Iterator[str]:
    free = context.size - 1
    if context.rank == free:
        differences = "the reward difference" if free == 1 else f"all {free} reward differences"
        yield f"Identifiable: {differences}; the {fit.kind} connect the {context.size} items."
    else:
        sizes = _sizes(context.components)
        yield (
            f"Identifiable: {context.rank} of {free} reward differences, those within each of the "
            f"{len(context.components)} connected components ({sizes} items)."
        )
    if context.exists:
        yield "Estimate: exists and is unique; every split of the items has a win each way (one strongly connected component)."
        if context.more is not None:
            yield (
                f"Precision: {context.more} more {fit.kind} of the same design bring every standard error to {fit.precision:g}."
                if context.more
                else f"Precision: every standard error is at most {fit.precision:g} already."
            )
        return
    yield f"Estimate: none, and no DPO optimum; {context.reason}."
    if context.ahead:
        yield f"Strongly connected components: {len(context.strong)} ({_sizes(context.strong)} items)."
        yield f"Rises for ever ({len(context.ahead)}): {listed(context.ahead)}."
        yield f"Falls behind for ever ({len(context.behind)}): {listed(context.behind)}."
        if context.crossings:
            yield f"Between the two sides: {_number(context.crossings)} {_kind(fit, context.crossings)}, all won by the side that rises."
    if len(context.strong) > 1 and len(context.strong[0]) > 1:
        yield f"`--drop-undetermined` keeps the {len(context.strong[0])} items of the largest strongly connected component."


def _overview(fit: Fit) -> Grid:
    rows = [
        (
            shown(context.name),
            "exists" if context.exists else "none",
            str(context.size),
            _number(context.observations),
            f"{context.rank} of {context.size - 1}",
            str(len(context.strong)),
            f"{context.distance:.1e}" if context.exists else "",
        )
        for context in fit.by_context[:_CONTEXTS]
    ]
    header = ("context", "estimate", "items", fit.kind, "identifiable", "strong components", "DPO to RLHF")
    return Grid("", header, tuple(rows), words=2)


def _strengths(context: Context, fit: Fit) -> Grid:
    header = ("item", "strength", "std.err.", "worth", "reference", "DPO optimum", "RLHF optimum")
    start = context.rows.start
    worths = np.exp(fit.strengths[context.rows])
    worths /= worths.sum()
    order = sorted(range(context.size), key=lambda row: -fit.strengths[start + row])
    rows = []
    for row in order:
        at = start + row
        error = "" if np.isnan(fit.standard_errors[at]) else f"{fit.standard_errors[at]:.4f}"
        probabilities = (np.exp(column[at]) for column in (fit.log_ref, fit.dpo_log_policy, fit.rlhf_log_policy))
        numbers = (f"{worths[row]:.4f}", *(f"{value:.6g}" for value in probabilities))
        rows.append((shown(fit.items[at]), f"{fit.strengths[at] + 0.0:.4f}", "base" if fit.items[at] == context.base else error, *numbers))
    heading = f"Strengths against {shown(context.base)}" + (f", {shown(context.name)}" if len(fit.by_context) > 1 else "")
    return Grid(heading, header, tuple(rows))


def _agreement(fit: Fit, solved: Sequence[Context]) -> Iterator[str]:
    formula = max(context.distance for context in solved)
    search = max(context.search_distance for context in solved)
    log_distance = max(context.log_distance for context in solved)
    yield f"beta = {fit.beta:g}; reference {fit.reference}."
    yield (
        f"DPO optimum and RLHF optimum of the fitted reward: total variation {formula:.1e} by formula, {search:.1e} by search; "
        f"largest log-probability difference {log_distance:.1e} nats."
    )
    yield (
        f"The strengths are within {fit.reward_bound:.1e} of the maximum-likelihood estimate, the log-probabilities within "
        f"{fit.policy_bound:.1e} nats of the DPO optimum."
    )


def _sizes(groups: Sequence[Sequence[str]]) -> str:
    """`83 + 4 x 1`: sizes of groups that are sorted by size."""
    return " + ".join(f"{many} x {size}" if many > 1 else str(size) for size, many in Counter(map(len, groups)).items())


def _kind(fit: Fit, number: float) -> str:
    return fit.kind.removesuffix("s") if number == 1 else fit.kind


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.6g}"
