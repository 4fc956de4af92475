"""Records: what people prefer, and what a preference loss sees. No arithmetic beyond log-ratios and counting."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Comparisons",
    "LabelledLogProbs",
    "PairLogProbs",
    "RankedLogProbs",
    "Rankings",
    "ScoredLogProbs",
    "Ties",
]


class Comparisons(NamedTuple):
    """N comparisons of two actions in a context.

    Args:
        context: (N,) context indices.
        chosen: (N,) action indices, the paper's y_w.
        rejected: (N,) action indices, the paper's y_l.
        weight: (N,) how often each was seen, > 0; default 1.
        target: (N,) P(chosen wins); default 1. A tie counted half to each side is 1/2.
    """

    context: Any
    chosen: Any
    rejected: Any
    weight: Any = None
    target: Any = None

    def aggregate(self) -> Comparisons:
        """The unique (context, chosen, rejected) with summed weights and their mean target, in sorted order.

        Returns:
            Comparisons with int64 indices and float64 weight and target; sum of weights is kept.

        >>> Comparisons([0, 0, 0], [1, 1, 0], [0, 0, 1]).aggregate().weight
        array([1., 2.])
        """
        context, chosen, rejected = (np.asarray(column, dtype=np.int64) for column in self[:3])
        weight = None if self.weight is None else np.asarray(self.weight, dtype=np.float64)
        target = None if self.target is None else np.asarray(self.target, dtype=np.float64)
        if len(context) == 0:
            none = np.zeros(0)
            return Comparisons(context, chosen, rejected, none if weight is None else weight, none if target is None else target)
        size = int(max(chosen.max(), rejected.max())) + 1
        contexts = int(context.max()) + 1
        node = chosen if contexts == 1 else context * size
        if contexts > 1:
            node += chosen
        sums = weight if target is None else weight * target if weight is not None else target
        if contexts * size * size <= 4 * len(context) + 1024:
            key = node * size
            key += rejected
            node, loser, total, part = _counted(key, weight, sums, contexts * size, size)
        else:
            node, loser, total, part = _sorted(node, rejected, weight, sums, contexts * size, size)
        mean = np.ones(len(total)) if target is None else part / np.where(total > 0, total, 1.0)
        if contexts == 1:
            return Comparisons(np.zeros_like(node), node, loser, total, mean)
        first = node // size
        return Comparisons(first, node - first * size, loser, total, mean)


def _counted(key: Any, weight: Any, sums: Any, nodes: int, size: int) -> tuple[Any, ...]:
    """Unique keys by counting every possible one: (node, loser, summed weights, summed `sums`)."""
    count = np.bincount(key, minlength=nodes * size)
    found = np.flatnonzero(count > 0)
    node = found // size

    def total(column: Any) -> Any:
        return np.bincount(key, weights=column, minlength=nodes * size).take(found)

    whole = count.take(found).astype(np.float64) if weight is None else total(weight)
    return node, found - node * size, whole, whole if sums is weight else total(sums)


def _sorted(node: Any, loser: Any, weight: Any, sums: Any, nodes: int, size: int) -> tuple[Any, ...]:
    """Unique pairs by two counting passes, first over losers, then over nodes: (node, loser, summed weights, summed `sums`)."""
    from scipy.sparse import coo_array

    narrow = np.int32 if max(nodes, len(node)) < 2**31 else np.int64
    ends = loser.astype(narrow), node.astype(narrow)

    def total(column: Any) -> Any:
        table = coo_array((column, ends), shape=(size, nodes))
        table.has_canonical_format = True  # not so, but the repeats are summed later, when both indices are in order
        table = table.tocsr().tocsc()
        table.sum_duplicates()
        return table

    table = total(np.ones(len(node)) if weight is None else weight)
    winner = np.repeat(np.arange(nodes), np.diff(table.indptr))
    return winner, table.indices.astype(np.int64), table.data, table.data if sums is weight else total(sums).data


class Ties(NamedTuple):
    """N comparisons that ended in a tie, for tie models. (N,) each: context, left, right; weight defaults to 1."""

    context: Any
    left: Any
    right: Any
    weight: Any = None


class Rankings(NamedTuple):
    """N rankings, best first. context (N,); order (N, K) action indices; weight (N,) defaults to 1."""

    context: Any
    order: Any
    weight: Any = None


class PairLogProbs(NamedTuple):
    """What a pair loss sees: sequence log-probabilities in nats, (N,) each.

    Args:
        policy_chosen: (N,) log pi(y_w|x).
        policy_rejected: (N,) log pi(y_l|x).
        ref_chosen: (N,) log pi_ref(y_w|x).
        ref_rejected: (N,) log pi_ref(y_l|x).
        chosen_tokens, rejected_tokens: (N,) lengths in tokens, for length-normalised losses.
        target: (N,) P(chosen wins), soft labels.
        offset: (N,) reward offsets (ODPO).
        chosen_token_logps, rejected_token_logps: (N, T), for losses that look inside.
        ref_chosen_token_logps, ref_rejected_token_logps: (N, T), likewise of the reference.

    >>> PairLogProbs(-1.0, -2.0, -1.5, -1.5).margin
    1.0
    """

    policy_chosen: Any
    policy_rejected: Any
    ref_chosen: Any
    ref_rejected: Any
    chosen_tokens: Any = None
    rejected_tokens: Any = None
    target: Any = None
    offset: Any = None
    chosen_token_logps: Any = None
    rejected_token_logps: Any = None
    ref_chosen_token_logps: Any = None
    ref_rejected_token_logps: Any = None

    @property
    def chosen_log_ratio(self) -> Any:
        """(N,) log pi(y_w|x) / pi_ref(y_w|x), nats."""
        return _difference("policy_chosen", self.policy_chosen, "ref_chosen", self.ref_chosen)

    @property
    def rejected_log_ratio(self) -> Any:
        """(N,) log pi(y_l|x) / pi_ref(y_l|x), nats."""
        return _difference("policy_rejected", self.policy_rejected, "ref_rejected", self.ref_rejected)

    @property
    def margin(self) -> Any:
        """(N,) chosen minus rejected log-ratio, nats; beta * margin is the scaled margin z."""
        return _difference("chosen", self.chosen_log_ratio, "rejected", self.rejected_log_ratio)


class LabelledLogProbs(NamedTuple):
    """What an unpaired loss sees, (N,) each: policy and ref log-probabilities, desirable labels, a baseline in nats."""

    policy: Any
    ref: Any
    desirable: Any
    baseline: Any = None

    @property
    def log_ratio(self) -> Any:
        """(N,) log pi / pi_ref, nats."""
        return _difference("policy", self.policy, "ref", self.ref)


class RankedLogProbs(NamedTuple):
    """What a ranking loss sees: policy and ref log-probabilities, (N, K), best first."""

    policy: Any
    ref: Any

    @property
    def log_ratio(self) -> Any:
        """(N, K) log pi / pi_ref, nats."""
        return _difference("policy", self.policy, "ref", self.ref)


class ScoredLogProbs(NamedTuple):
    """What a loss on scored answers sees, (N, K) each: policy and ref log-probabilities, and the answers' rewards, in any order."""

    policy: Any
    ref: Any
    reward: Any

    @property
    def log_ratio(self) -> Any:
        """(N, K) log pi / pi_ref, nats."""
        return _difference("policy", self.policy, "ref", self.ref)


def _difference(left_name: str, left: Any, right_name: str, right: Any) -> Any:
    """left - right, where (N, 1) against (N,) is refused instead of becoming (N, N)."""
    shapes = tuple(tuple(side.shape) if hasattr(side, "dtype") else () for side in (left, right))
    if all(shapes) and shapes[0] != shapes[1]:
        raise ValueError(
            f"shapes do not match: {left_name} {shapes[0]}, {right_name} {shapes[1]}. Give every log-probability the shape (N,)."
        )
    return left - right
