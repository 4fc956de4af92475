"""The policy that minimises a preference loss, on data or on the exact population, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import Comparisons, Rankings
from bandits.door import Array, require_log_probs, require_same_shape
from bandits.graph import ComparisonGraph, comparison_graph
from bandits.logits import LogitModel
from bandits.margins import MarginModel
from bandits.newton import Descent, descend
from bandits.probe import LossShape, falls_for_ever, inspect_loss, reads_target
from bandits.problem import TabularBandit
from bandits.rows import Rows, read_rows
from bandits.solution import Certificate, Solution, Status, worst_status

__all__ = ["minimise_loss"]

_FAR = 1e4  # times the loss's length: nats beyond which an iteration is running to infinity
_STARTS = 8
_DENSE_LIMIT = 1000


def minimise_loss(
    bandit: TabularBandit,
    loss: Callable,
    data: Comparisons | Rankings | None = None,
    *,
    design: Any = None,
    preferences: Any = None,
    start: Any = None,
    tol: float = 1e-14,
    max_steps: int = 300,
) -> Solution:
    r"""argmin over policies with the reference's support of the mean loss, by Newton's method with exact derivatives.

    Args:
        bandit: the problem; the loss sees its reference, and the reward only through `preferences`.
        loss: any callable PairLogProbs -> (N,), or RankedLogProbs -> (N,) for Rankings, one loss per row.
        data: Comparisons (weight and target honoured), Rankings, or None for the exact population.
        design: (X, A, A) symmetric weights of compared pairs, zero diagonal; default uniform over supported pairs.
        preferences: (X, A, A) P(i beats j); default Bradley-Terry of the reward.
        start: (X, A) log-policy to start from; default the reference.
        tol: the search stops when no logit moves by more than this, relative to 1 + their spread.
        max_steps: then the status is not_converged.

    Returns:
        Solution with status
        optimal, the minimiser, unique when the loss is convex;
        flat, a minimiser, identified only within each of `certificate.components`: between them the reference's
        probabilities of the components are kept;
        several_minima, the best of the local minima in `certificate.minima`;
        no_minimiser, log_policy NaN in the contexts concerned and `certificate.direction` along which the loss falls for ever;
        not_converged. The value is the weighted mean loss; contexts count by context_probs, or by their weight in the data.

        A target P weighs the stated order by P and the other by 1 - P, unless the loss reads `target` itself.

    Raises:
        ValueError: the loss is coupled over the batch, not finite, not differentiable, not one number per comparison, or
            the data, design or preferences are not what they should be.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7, for the loss softplus(-beta * margin).

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> logistic = lambda pairs: np.logaddexp(0.0, -0.5 * pairs.margin)
    >>> minimise_loss(bandit, logistic).policy.round(4)
    array([[0.9187, 0.0746, 0.0067]])
    >>> found = minimise_loss(bandit, logistic, Comparisons([0, 0], [0, 0], [1, 2]))
    >>> str(found.status), found.certificate.direction.tolist()
    ('no_minimiser', [[1.0, 0.0, 0.0]])
    """
    if not callable(loss):
        raise ValueError(f"loss is {loss!r}, expected a callable: PairLogProbs -> (N,).")
    if data is not None and (design is not None or preferences is not None):
        raise ValueError("data was given together with design or preferences, which describe the population. Pass one of the two.")
    soft = not isinstance(data, Rankings) and reads_target(loss, bandit.tokens is not None)
    rows = read_rows(bandit, data, design, preferences, soft=soft)
    shape = inspect_loss(loss, rows)
    graph = _graph_of(rows)
    gone = _runaways(loss, rows, graph, shape)
    margins_suffice = shape.shift_invariant and shape.convex and not rows.ranked
    if not margins_suffice and bandit.n_actions > _DENSE_LIMIT:
        raise ValueError(
            f"there are {bandit.n_actions} actions, expected at most {_DENSE_LIMIT} for a loss that is not a convex function of "
            "the margin: its Hessian is dense."
        )
    kept = rows.take(np.flatnonzero(~gone[rows.context]))
    if len(kept) == 0:
        return _nothing_left(bandit, graph, gone)
    components = graph.component if shape.shift_invariant else None
    model = MarginModel(loss, kept) if margins_suffice else LogitModel(loss, kept, components)
    ends = [
        descend(model, logits, radius=8 * shape.length, tol=tol, max_steps=max_steps, far=_FAR * shape.length)
        for logits in _starts(bandit, start, shape)
    ]
    return _Outcome(bandit, rows, shape, graph, gone, model, ends).solution()


def _graph_of(rows: Rows) -> ComparisonGraph:
    a, x = rows.bandit.n_actions, rows.bandit.n_contexts
    if rows.ranked:
        return comparison_graph(Rankings(rows.context, rows.actions), a, n_contexts=x)
    compared = Comparisons(rows.context, rows.actions[:, 0], rows.actions[:, 1], None, rows.target)
    return comparison_graph(compared, a, n_contexts=x)


def _runaways(loss: Callable, rows: Rows, graph: ComparisonGraph, shape: LossShape) -> Array:
    """(X,) contexts in which the graph's direction lowers the loss for ever."""
    suspects = ~graph.exists
    if not (shape.shift_invariant and suspects.any()):
        return np.zeros(len(suspects), dtype=bool)
    return suspects if falls_for_ever(loss, rows, graph.direction) else np.zeros(len(suspects), dtype=bool)


def _starts(bandit: TabularBandit, start: Any, shape: LossShape) -> list[Array]:
    """(X, A) log-ratios to start from: one for a convex loss, several spread over its length otherwise."""
    first = np.zeros(bandit.reward.shape)
    if start is not None:
        found = require_log_probs("start", start)
        require_same_shape(reward=bandit.reward, start=found)
        if (bandit.support & (found == -np.inf)).any():
            where = tuple(int(i) for i in np.argwhere(bandit.support & (found == -np.inf))[0])
            raise ValueError(f"start is -inf at {where}, expected a positive probability wherever the reference has one.")
        first[bandit.support] = (found - np.where(bandit.support, bandit.log_ref, 0.0))[bandit.support]
    if shape.convex:
        return [first]
    rng = np.random.default_rng(0)
    return [first, *(first + 2 * shape.length * rng.normal(size=first.shape) for _ in range(_STARTS - 1))]


def _nothing_left(bandit: TabularBandit, graph: ComparisonGraph, gone: Array) -> Solution:
    lost = np.where(gone[:, None], np.nan, bandit.log_ref)
    statuses = tuple(Status.NO_MINIMISER if flag else Status.FLAT for flag in gone)
    reason = _no_minimiser_reason(gone)
    certificate = Certificate(np.nan, np.nan, reason, statuses, graph.component, np.where(gone[:, None], graph.direction, 0.0))
    return Solution(lost, np.nan, np.nan, 0, Status.NO_MINIMISER, certificate)


def _no_minimiser_reason(gone: Array) -> str:
    return (
        f"in {int(gone.sum())} of {len(gone)} contexts some actions are never beaten from outside their group: raising them "
        "together lowers the loss for ever, so no policy attains the infimum"
    )


class _Outcome:
    """The descents, read context by context."""

    def __init__(
        self,
        bandit: TabularBandit,
        rows: Rows,
        shape: LossShape,
        graph: ComparisonGraph,
        gone: Array,
        model: MarginModel | LogitModel,
        ends: list[Descent],
    ) -> None:
        self.bandit, self.rows, self.shape, self.graph, self.gone = bandit, rows, shape, graph, gone
        self.model, self.ends = model, ends
        self.component = graph.component if shape.shift_invariant else np.zeros(bandit.reward.shape, dtype=np.int64)

    def log_policy(self, logits: Array) -> Array:
        """(X, A) log-probabilities; each component keeps the reference's mass."""
        ref = self.bandit.log_ref
        raw = ref + logits
        size = self.bandit.n_actions
        slot = (self.component + np.arange(len(ref))[:, None] * size).reshape(-1)
        return raw + (_log_mass(ref, slot) - _log_mass(raw, slot))[slot].reshape(ref.shape)

    def solution(self) -> Solution:
        values = np.stack([end.point.value for end in self.ends])
        resting = np.stack([end.done for end in self.ends])
        best = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0)
        each = np.arange(len(best))
        logits = np.stack([end.logits for end in self.ends])[best, each]
        point = self.model.evaluate(logits)
        bound, decrement = self.model.error_bound(point)
        log_policy, minima, many = self._minima(values, resting, best, self.log_policy(logits))
        statuses, direction, reason = self._statuses(logits, resting[best, each], many, point)
        nowhere = np.array([status is Status.NO_MINIMISER for status in statuses])
        stuck = np.array([status is Status.NOT_CONVERGED for status in statuses])
        unseen = self.rows.share == 0
        share = np.where(unseen, 0.0, self.rows.share)
        value = float("nan") if nowhere.any() else float(share @ np.where(unseen, 0.0, point.value))
        gradient = self.model.gradient(point)
        alive = ~(nowhere | unseen)
        gap = np.where(alive, np.maximum(decrement, 0) + 8 * np.finfo(float).eps * point.magnitude, 0.0)
        flat = np.array([status is Status.FLAT for status in statuses])
        return Solution(
            log_policy=np.where(nowhere[:, None], np.nan, log_policy),
            value=value,
            gradient_norm=float(np.max(np.abs(gradient[alive]), initial=0.0)),
            steps=max(end.steps for end in self.ends),
            status=worst_status(statuses),
            certificate=Certificate(
                gap_bound=float("nan") if (nowhere | stuck).any() else float(share @ gap),
                distance_bound=float("nan") if (nowhere | stuck).any() else float(np.max(bound[alive], initial=0.0)),
                reason=reason,
                statuses=statuses,
                components=self.component if flat.any() else None,
                direction=direction,
                minima=minima,
            ),
        )

    def _minima(
        self, values: Array, resting: Array, best: Array, log_policy: Array
    ) -> tuple[Array, tuple[Array, ...], Array]:
        """The other resting points, and the contexts where they differ from the best."""
        many, minima = np.zeros(len(best), dtype=bool), []
        for end in self.ends[1:] if len(self.ends) > 1 else []:
            other = self.log_policy(end.logits)
            with np.errstate(invalid="ignore"):
                apart = np.nan_to_num(np.abs(other - log_policy)).max(axis=1)
            apart = np.where(end.done & self._is_minimum(end), apart, 0.0)
            if (apart > 1e-6).any():
                many |= apart > 1e-6
                minima.append(np.where((apart > 1e-6)[:, None], other, log_policy))
        return log_policy, tuple(minima), many

    def _is_minimum(self, end: Descent) -> Array:
        return self.model.least_curvature(end.point, signed=True) > 0

    def _statuses(
        self, logits: Array, done: Array, many: Array, point: Any
    ) -> tuple[tuple[Status, ...], Array | None, str]:
        x, support = len(done), self.bandit.support
        unseen = self.rows.share == 0
        direction = np.where(self.gone[:, None], self.graph.direction, 0.0)
        off = self._run_off(logits, ~done & ~self.gone & ~unseen)
        direction[off] = logits[off] / np.abs(logits[off]).max(axis=1, keepdims=True)
        if self.shape.shift_invariant:
            held = np.array([len(np.unique(row[keep])) for row, keep in zip(self.component, support, strict=True)])
            loose = held > 1
        else:
            loose = self.model.null_directions(point) > 0
        statuses = []
        for context in range(x):
            if self.gone[context] or off[context]:
                statuses.append(Status.NO_MINIMISER)
            elif unseen[context]:
                statuses.append(Status.FLAT if support[context].sum() > 1 else Status.OPTIMAL)
            elif not done[context]:
                statuses.append(Status.NOT_CONVERGED)
            elif many[context]:
                statuses.append(Status.SEVERAL_MINIMA)
            else:
                statuses.append(Status.FLAT if loose[context] else Status.OPTIMAL)
        nowhere = self.gone | off
        return tuple(statuses), (direction if nowhere.any() else None), self._reason(worst_status(tuple(statuses)), off)

    def _run_off(self, logits: Array, moving: Array) -> Array:
        """(X,) contexts of a convex loss that keeps falling, by as much as ever, far along the ray of the iterates."""
        if not (self.shape.convex and moving.any()):
            return np.zeros(len(logits), dtype=bool)
        unit = logits / np.maximum(np.abs(logits).max(axis=1, keepdims=True), 1e-300) * self.shape.length
        falls = [self.model.evaluate(unit * scale).value for scale in (1e2, 1e3, 1e4, 1e5, 1e6)]
        return moving & np.all(np.diff(np.array(falls), axis=0) < 0, axis=0)

    def _reason(self, status: Status, off: Array) -> str:
        if status is Status.NO_MINIMISER:
            return _no_minimiser_reason(self.gone) if self.gone.any() else (
                "the loss keeps falling along certificate.direction, as far as it was followed, so no policy attains its infimum"
            )
        if status is Status.NOT_CONVERGED:
            return "the iterations did not come to rest: the loss may have no minimiser, or no second derivative where it has one"
        if status is Status.SEVERAL_MINIMA:
            return "the loss is not convex and several starts came to rest in different minima; the best of them is reported"
        if status is Status.FLAT:
            return (
                "only differences within a connected component of compared actions are identified; "
                "the reference's probability of each component is kept"
            )
        if self.shape.convex:
            return "convex loss, strongly connected comparisons, gradient within rounding of 0: the minimiser, bounded by the curvature"
        return f"not convex, but {len(self.ends)} starts came to rest at one minimum"


def _log_mass(log_weights: Array, slot: Array) -> Array:
    flat = log_weights.reshape(-1)
    top = np.full(slot.max() + 1, -np.inf)
    np.maximum.at(top, slot, flat)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.bincount(slot, weights=np.exp(flat - top[slot]), minlength=len(top))
    return top + np.log(np.where(total > 0, total, 1.0))
