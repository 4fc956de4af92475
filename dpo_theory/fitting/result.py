"""What a fit found: one row for every item in every context, and what can be said of each context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bandits.door import Array

__all__ = ["Context", "Fit"]


@dataclass(frozen=True, eq=False)
class Context:
    """One context of a fit.

    Args:
        name: the prompt, or what the file was called.
        rows: the slice of the fit's rows.
        observations: comparisons or rankings, each with its weight.
        rank: how many independent reward differences the design identifies.
        exists: the maximum-likelihood estimate exists and is unique up to a constant.
        components: the items of each connected component, largest first.
        strong: the items of each strongly connected component of wins, largest first.
        ahead, behind: where no estimate exists, the items that the loss drives up for ever and those they leave behind.
        crossings: comparisons of an item ahead with one behind, all won by the former; 0 for rankings.
        base: the item against which strengths are given.
        distance: total variation between the DPO optimum and the RLHF optimum by formula; NaN without an estimate.
        search_distance: the same against the RLHF optimum by search.
        log_distance: largest difference of the first two in log-probability, nats.
        more: further comparisons or rankings, by the same design, until every standard error is at most the wanted precision.
        reason: why there is no estimate; empty where there is one.
    """

    name: str
    rows: slice
    observations: float
    rank: int
    exists: bool
    components: tuple[tuple[str, ...], ...]
    strong: tuple[tuple[str, ...], ...]
    ahead: tuple[str, ...]
    behind: tuple[str, ...]
    crossings: float
    base: str
    distance: float
    search_distance: float
    log_distance: float
    more: int | None
    reason: str

    @property
    def size(self) -> int:
        """How many items the context has."""
        return self.rows.stop - self.rows.start


@dataclass(frozen=True, eq=False)
class Fit:
    """The fit of a set of preferences. Arrays are (M,): one entry for every item in every context, context by context.

    Args:
        source: the file, table or example.
        kind: `comparisons` or `rankings`.
        rows_read: rows of the source.
        by_context: X contexts.
        items: (M,) names.
        strengths: (M,) maximum-likelihood rewards minus that of the context's base; NaN where no estimate exists.
        standard_errors: (M,) of the strengths, from the observed information.
        direction: (M,) 1 on the items that the loss drives up for ever, 0 elsewhere.
        log_ref: (M,) the reference, nats.
        dpo_log_policy: (M,) the DPO optimum, nats.
        rlhf_log_policy: (M,) the RLHF optimum of the fitted reward, by formula.
        rlhf_searched: (M,) the same by search.
        beta: reward per nat.
        reference: what the reference is.
        ties: `drop`, `half` or `davidson`.
        ties_seen: ties in the data, by weight.
        ties_dropped: those that no estimate used, by weight.
        tie_parameter: nu of Davidson's model; NaN without it.
        dropped_items: (context, item) that were removed because their strength is not determined.
        precision: the standard error asked for; None if none was.
        reward_bound: how far a strength can be from the maximum-likelihood estimate.
        policy_bound: how far a log-probability can be from the DPO optimum, nats.
        notes: what a reader must know, a sentence each.

    >>> import dpo_theory
    >>> found = dpo_theory.fit(example="baseball", beta=0.5)
    >>> dict(zip(found.items, found.strengths.round(4).tolist()))["Milwaukee"]
    1.5814
    """

    source: str
    kind: str
    rows_read: int
    by_context: tuple[Context, ...]
    items: tuple[str, ...]
    strengths: Array
    standard_errors: Array
    direction: Array
    log_ref: Array
    dpo_log_policy: Array
    rlhf_log_policy: Array
    rlhf_searched: Array
    beta: float
    reference: str
    ties: str
    ties_seen: float
    ties_dropped: float
    tie_parameter: float
    dropped_items: tuple[tuple[str, str], ...]
    precision: float | None
    reward_bound: float
    policy_bound: float
    notes: tuple[str, ...]

    @property
    def contexts(self) -> tuple[str, ...]:
        """The names of the contexts."""
        return tuple(context.name for context in self.by_context)

    @property
    def exists(self) -> bool:
        """The estimate exists and is unique in every context."""
        return all(context.exists for context in self.by_context)

    @property
    def components(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """For each context the items of each strongly connected component, largest first."""
        return tuple(context.strong for context in self.by_context)

    @property
    def distance(self) -> float:
        """Largest total variation between the DPO optimum and the RLHF optimum, by formula or by search; NaN if none exists."""
        found = [d for context in self.by_context if context.exists for d in (context.distance, context.search_distance)]
        return max(found, default=float("nan"))

    @property
    def worths(self) -> Array:
        """(M,) exp(strength), normalised within each context."""
        worth = np.exp(self.strengths)
        start = [context.rows.start for context in self.by_context]
        size = [context.size for context in self.by_context]
        return worth / np.repeat(np.add.reduceat(worth, start), size)

    def __getitem__(self, name: str) -> Context:
        """The context of this name."""
        for context in self.by_context:
            if context.name == name:
                return context
        raise KeyError(f"no context {name!r}; there are {', '.join(self.contexts[:10])}")

    def to_dict(self) -> dict[str, Any]:
        """The fit as JSON values; what does not exist is None."""
        from dpo_theory.fitting import document

        return document.to_dict(self)

    def to_json(self) -> str:
        """The fit as JSON text."""
        from dpo_theory.fitting import document

        return document.to_json(self)

    def to_text(self, width: int | None = None) -> str:
        """The fit as text; tables do not wrap, whatever the width."""
        from dpo_theory.fitting import render

        return render.text(self)

    def to_markdown(self) -> str:
        """The fit as Markdown."""
        from dpo_theory.fitting import render

        return render.markdown(self)

    def to_html(self) -> str:
        """The fit as one self-contained HTML page."""
        from dpo_theory.fitting import render

        return render.html_page(self)

    def plot(self, path: Any) -> None:
        """Draw the strengths with intervals of two standard errors into a file."""
        from dpo_theory.fitting import plot

        plot.save(self, path)

    def _repr_html_(self) -> str:
        from dpo_theory.fitting import render

        return render.html_fragment(self)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        state = "estimate exists" if self.exists else "no estimate in every context"
        return f"<Fit of {self.source}: {len(self.by_context)} contexts, {len(self.items)} items, {state}>"
