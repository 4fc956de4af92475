"""From preferences to a `Fit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bandits.door import Array, as_numpy, require_beta
from bandits.ties import davidson_recession
from dpo_theory.fitting.columns import Columns
from dpo_theory.fitting.contexts import describe
from dpo_theory.fitting.estimate import estimate, nothing
from dpo_theory.fitting.examples import example as find_example
from dpo_theory.fitting.nodes import Nodes, number_nodes
from dpo_theory.fitting.preferences import Preferences, no_ties
from dpo_theory.fitting.read import read
from dpo_theory.fitting.reference import reference_log_probs
from dpo_theory.fitting.result import Fit

__all__ = ["fit"]


def fit(
    source: Any = None,
    *,
    example: str | None = None,
    beta: float = 0.1,
    reference: Any = None,
    base: str | None = None,
    ties: str = "drop",
    pool: bool = False,
    drop_undetermined: bool = False,
    precision: float | None = None,
    prompt: str | None = None,
    chosen: str | None = None,
    rejected: str | None = None,
    left: str | None = None,
    right: str | None = None,
    winner: str | None = None,
    group: str | None = None,
    position: str | None = None,
    item: str | None = None,
    wide: Sequence[str] = (),
    weight: str | None = None,
) -> Fit:
    """Fit preferences: identifiability, existence, the DPO optimum and the RLHF optimum of the fitted reward.

    Args:
        source: the name of a CSV or JSON lines file, a pandas or Arrow table, or Preferences.
        example: `baseball` or `journals`, instead of a source.
        beta: reward per nat, > 0.
        reference: `uniform`, `counts`, `declining`, a mapping, or a file; default `uniform`, for an example `declining`.
        base: the item of strength 0; by default the one compared most often, for an example the published one.
        ties: `drop` counts and leaves them out, `half` gives half a win to each side, `davidson` fits Davidson's model.
        pool: merge all prompts into one context; otherwise each prompt is a context.
        drop_undetermined: keep the largest strongly connected component of each context and list the rest.
        precision: wanted standard error; the fit then says how many more comparisons it takes.
        prompt, chosen, rejected, left, right, winner, group, position, item, wide, weight: names of columns.

    Returns:
        Fit.

    Raises:
        ValueError: a row, column or argument is not what it should be; the message names the file and line.

    >>> table = {"chosen": ["a", "a", "b"], "rejected": ["b", "b", "a"]}
    >>> fit(table, base="b").strengths.round(4).tolist()
    [0.6931, 0.0]
    >>> fit({"chosen": ["a"], "rejected": ["b"]})["all prompts"].ahead
    ('a',)
    """
    require_beta(beta)
    if ties not in ("drop", "half", "davidson"):
        raise ValueError(f"ties is {ties!r}, expected drop, half or davidson.")
    if precision is not None and not (np.isfinite(as_numpy("precision", precision)) and precision > 0):
        raise ValueError(f"precision is {precision}, expected a standard error > 0.")
    if (source is None) == (example is None):
        raise ValueError("expected a source or an example, one of the two.")
    columns = Columns(prompt, chosen, rejected, left, right, winner, group, position, item, tuple(wide), weight)
    if example is not None:
        if columns != Columns():
            raise ValueError("an example has no columns to name: columns belong to a file or table.")
        known = find_example(example)
        data, base, reference = known.preferences(example), base or known.base, "declining" if reference is None else reference
    else:
        data = source if isinstance(source, Preferences) else read(source, columns)
    if pool:
        data = data.pooled()
    return _fitted(data, beta, "uniform" if reference is None else reference, base, ties, drop_undetermined, precision)


def _fitted(data: Preferences, beta: float, reference: Any, base: str | None, ties: str, drop: bool, precision: float | None) -> Fit:
    ties_seen = float(data.ties.weight.sum())
    if ties == "half":
        data = data.halved()
    nodes = number_nodes(data, ties_connect=ties == "davidson")
    dropped: tuple[tuple[str, str], ...] = ()
    if drop:
        data, nodes, dropped = _without_undetermined(data, nodes, ties)
    reason = _davidson_reason(nodes) if ties == "davidson" else ""
    ties_used = float(data.ties.weight[nodes.determined[data.ties.context]].sum()) if ties == "davidson" and not reason else 0.0
    log_ref, reference_name = reference_log_probs(reference, data, nodes)
    bases = _bases(base, data, nodes)
    found = nothing(nodes) if reason else estimate(nodes, bases, log_ref, beta, davidson=ties == "davidson")
    if ties == "drop":
        data = replace(data, ties=no_ties())
    against = found.reward - found.reward[bases[nodes.context]]
    return Fit(
        source=data.source,
        kind="rankings" if data.rankings else "comparisons",
        rows_read=data.rows,
        by_context=describe(data, nodes, bases, found, precision, reason),
        items=tuple(data.items[index] for index in nodes.item),
        strengths=against,
        standard_errors=found.standard_error,
        direction=nodes.direction,
        log_ref=log_ref,
        dpo_log_policy=found.log_policy,
        rlhf_log_policy=found.rlhf,
        rlhf_searched=found.searched,
        beta=float(beta),
        reference=reference_name,
        ties=ties,
        ties_seen=ties_seen,
        ties_dropped=ties_seen if ties == "drop" else 0.0 if ties == "half" else ties_seen - ties_used,
        tie_parameter=float(np.exp(found.log_nu)),
        dropped_items=dropped,
        precision=precision,
        reward_bound=found.reward_bound,
        policy_bound=found.policy_bound,
        notes=(*data.notes, *found.notes),
    )


def _without_undetermined(data: Preferences, nodes: Nodes, ties: str) -> tuple[Preferences, Nodes, tuple[tuple[str, str], ...]]:
    keep = nodes.largest()
    keep &= np.bincount(nodes.strong, weights=keep, minlength=len(keep))[nodes.strong] >= 2
    dropped = tuple((data.contexts[nodes.context[i]], data.items[nodes.item[i]]) for i in np.flatnonzero(~keep))
    if not keep.any():
        raise ValueError(
            f"{data.source}: no two items are strongly connected in any context, so nothing is left after dropping the "
            "undetermined. Collect comparisons that go both ways, or use --ties half."
        )
    data = data.only(nodes.context[keep] * len(data.items) + nodes.item[keep])
    return data, number_nodes(data, ties_connect=ties == "davidson"), dropped


def _davidson_reason(nodes: Nodes) -> str:
    """Why the contexts that are strongly connected have no joint Davidson estimate; empty where they have one."""
    wins, ties = nodes.within(nodes.determined)
    return davidson_recession(wins, ties, len(nodes.context)) if nodes.determined.any() else ""


def _bases(base: str | None, data: Preferences, nodes: Nodes) -> Array:
    """(X,) node of each context's base: the named item, or the one in most comparisons."""
    if base is not None:
        if base not in data.items:
            raise ValueError(f"base is {base!r}, which {data.source} does not mention. Name one of its items.")
        wanted = data.items.index(base)
        home = np.flatnonzero(nodes.item == wanted)
        missing = np.setdiff1d(np.arange(nodes.n_contexts), nodes.context[home])
        if len(missing):
            raise ValueError(
                f"base is {base!r}, which is not among the items of the context {data.contexts[missing[0]]!r}. "
                "Leave the base out: each context then takes the item compared most often."
            )
        return home
    order = np.lexsort((np.arange(len(nodes.context)), -nodes.appearances, nodes.context))
    return order[np.unique(nodes.context[order], return_index=True)[1]]
