"""The unique rows on which a loss is called: a data set or the exact population, aggregated once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bandits.columns import index_column, ranking_columns, target_column, weight_column
from bandits.data import Comparisons, PairLogProbs, RankedLogProbs, Rankings
from bandits.door import Array
from bandits.problem import TabularBandit
from bandits.sample import design_matrix, preference_matrix

__all__ = ["Rows", "compared_columns", "read_rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """N unique rows of K actions each.

    Args:
        bandit: the problem, for reference log-probabilities and lengths.
        context: (N,) context of each row.
        actions: (N, K) actions, best first; K = 2 for pairs.
        weight: (N,) weights, which sum to 1 within each context.
        share: (X,) the contexts' weights in the objective; 0 for a context without data.
        target: (N,) P(chosen wins) for pairs whose loss reads it, else None.
        ranked: rankings rather than pairs.
    """

    bandit: TabularBandit
    context: Array
    actions: Array
    weight: Array
    share: Array
    target: Array | None
    ranked: bool

    def __len__(self) -> int:
        return len(self.context)

    @property
    def ref(self) -> Array:
        """(N, K) reference log-probabilities."""
        return self.bandit.log_ref[self.context[:, None], self.actions]

    @cached_property
    def nodes(self) -> Array:
        """(K, N) numbers of the actions of each place: context * A + action."""
        return np.asarray(self.actions.T if self.bandit.n_contexts == 1 else self.context * self.bandit.n_actions + self.actions.T)

    def see(self, policy: Array) -> Any:
        """PairLogProbs or RankedLogProbs: what the loss sees when the rows' actions have log-probabilities `policy`, (N, K)."""
        ref = self.ref
        if self.ranked:
            return RankedLogProbs(policy, ref)
        chosen_tokens = rejected_tokens = None
        if self.bandit.tokens is not None:
            tokens = self.bandit.tokens[self.context[:, None], self.actions]
            chosen_tokens, rejected_tokens = tokens[:, 0], tokens[:, 1]
        return PairLogProbs(policy[:, 0], policy[:, 1], ref[:, 0], ref[:, 1], chosen_tokens, rejected_tokens, target=self.target)

    def take(self, index: Array) -> Rows:
        """The rows at `index`, to look at; weights stay as they are."""
        target = None if self.target is None else self.target[index]
        return Rows(self.bandit, self.context[index], self.actions[index], self.weight[index], self.share, target, self.ranked)

    def listed(self) -> Rows:
        """All rows, in the order of their contexts."""
        return self

    def without(self, contexts: Array) -> Rows:
        """The rows of all but the marked contexts, (X,)."""
        return self.take(np.flatnonzero(~contexts[self.context]))

    def repeated(self, times: int) -> Rows:
        """The same rows in `times` copies of the problem, one after the other: contexts 0..X-1, X..2X-1, and so on."""
        x = self.bandit.n_contexts
        copies = self.bandit.replace(
            context_probs=np.tile(self.bandit.context_probs, times) / times,
            reward=np.tile(self.bandit.reward, (times, 1)),
            log_ref=np.tile(self.bandit.log_ref, (times, 1)),
            tokens=None if self.bandit.tokens is None else np.tile(self.bandit.tokens, (times, 1)),
        )
        context = (self.context[None, :] + x * np.arange(times)[:, None]).reshape(-1)
        target = None if self.target is None else np.tile(self.target, times)
        actions, weight = np.tile(self.actions, (times, 1)), np.tile(self.weight, times)
        return Rows(copies, context, actions, weight, np.tile(self.share, times) / times, target, self.ranked)


def read_rows(bandit: TabularBandit, data: Any, design: Any, preferences: Any, *, soft: bool) -> Rows:
    """Rows of Comparisons, of Rankings, or of the exact population when data is None.

    Args:
        bandit: the problem.
        data: Comparisons, Rankings or None.
        design: (X, A, A) weights of compared pairs, for the population.
        preferences: (X, A, A) P(i beats j), for the population.
        soft: True hands each pair to the loss once with its target; False turns a target P into the weights P of the
            stated order and 1 - P of the other.

    Raises:
        ValueError: a column or matrix is not what it should be, or an action off the reference's support is compared.
    """
    x, a = bandit.reward.shape
    if isinstance(data, Rankings):
        context, order, weight = ranking_columns(data, a, x)
        kept = weight > 0
        unique, inverse = np.unique(np.column_stack([context, order])[kept], axis=0, return_inverse=True)
        weight = np.bincount(inverse.reshape(-1), weights=weight[kept], minlength=len(unique))
        return _normalised(bandit, unique[:, 0], unique[:, 1:], weight, None, ranked=True)
    if data is None:
        weights = design_matrix(bandit, design)
        beats = preference_matrix(bandit, preferences, weights)
        joint = bandit.context_probs[:, None, None] * weights
        if soft:
            where = np.nonzero(joint)
            return _normalised(bandit, where[0], np.stack(where[1:], axis=1), joint[where], beats[where])
        joint = 2 * joint * beats
        where = np.nonzero(joint)
        return _normalised(bandit, where[0], np.stack(where[1:], axis=1), joint[where], None)
    if not isinstance(data, Comparisons):
        raise ValueError(f"data is {type(data).__name__}, expected Comparisons, Rankings, or None for the exact population.")
    context, chosen, rejected, counted, target = compared_columns(bandit, data)
    if soft:
        return _of_table(bandit, Comparisons(context, chosen, rejected, counted, target).aggregate(), soft=True)
    if target is None or (target == 1).all():
        return _of_table(bandit, Comparisons(context, chosen, rejected, counted).aggregate(), soft=False)
    whole = np.ones(len(context)) if counted is None else counted
    parts = [(context, chosen, rejected, whole * target), (context, rejected, chosen, whole * (1 - target))]
    both = Comparisons(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return _of_table(bandit, both.aggregate(), soft=False)


def compared_columns(bandit: TabularBandit, data: Comparisons) -> tuple[Array, Array, Array, Array | None, Array | None]:
    """(N,) context, chosen, rejected, weight and target, looked at; the last two are None where they were not given.

    Raises:
        ValueError: a column is not what it should be, or an action is compared with itself.
    """
    x, a = bandit.reward.shape
    context = index_column("context", data.context, x)
    chosen = index_column("chosen", data.chosen, a, length=len(context))
    rejected = index_column("rejected", data.rejected, a, length=len(context))
    counted = None if data.weight is None else weight_column(data.weight, len(context))
    target = None if data.target is None else target_column(data.target, len(context))
    same = chosen == rejected
    if same.any() and (same := same if counted is None else same & (counted > 0)).any():
        row = int(np.flatnonzero(same)[0])
        raise ValueError(f"comparison {row} compares action {chosen[row]} with itself, which says nothing. Drop such rows.")
    return context, chosen, rejected, counted, target


def _of_table(bandit: TabularBandit, table: Comparisons, *, soft: bool) -> Rows:
    if not (table.weight > 0).all():
        kept = table.weight > 0
        table = Comparisons(*(column[kept] for column in table))
    actions = np.stack([table.chosen, table.rejected]).T
    return _normalised(bandit, table.context, actions, table.weight, table.target if soft else None)


def _normalised(bandit: TabularBandit, context: Array, actions: Array, weight: Array, target: Array | None, ranked: bool = False) -> Rows:
    if len(context) == 0:
        raise ValueError("there is nothing to fit: no comparison has a positive weight.")
    off = ~bandit.support
    if off.any() and (off := off[context[:, None], actions]).any():
        row, column = (int(i) for i in np.argwhere(off)[0])
        raise ValueError(
            f"action {actions[row, column]} of context {context[row]} is compared, but the reference gives it no probability: "
            "its log-ratio is not defined. Drop the comparison, or give the reference full support."
        )
    if bandit.n_contexts == 1:
        return Rows(bandit, context, actions, weight / weight.sum(), np.ones(1), target, ranked)
    mass = np.bincount(context, weights=weight, minlength=bandit.n_contexts)
    return Rows(bandit, context, actions, weight / mass[context], mass / mass.sum(), target, ranked)
