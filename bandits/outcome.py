"""The ends of the descents, read context by context: which status each earned, and why."""

from __future__ import annotations

import numpy as np

from bandits.components import component_policy
from bandits.door import Array
from bandits.graph import ComparisonGraph
from bandits.kinks import Vertex
from bandits.logits import LogitModel
from bandits.margins import MarginModel
from bandits.newton import Descent, Point
from bandits.probe import LossShape
from bandits.problem import TabularBandit
from bandits.rows import Rows
from bandits.solution import Certificate, Solution, Status, worst_status

__all__ = ["Outcome", "nothing_left", "read_vertex"]

_FLAT = (
    "only differences within a connected component of compared actions are identified; "
    "the reference's probability of each component is kept"
)
_APART = 1e-6  # nats between two minima that are told apart


def _beaten_by_none(gone: Array) -> str:
    return (
        f"in {int(gone.sum())} of {len(gone)} contexts some actions are never beaten from outside their group: raising them "
        "together lowers the loss for ever, so no policy attains the infimum"
    )


def nothing_left(bandit: TabularBandit, graph: ComparisonGraph, gone: Array) -> Solution:
    """The answer when no context with comparisons has a minimiser."""
    statuses = tuple(Status.NO_MINIMISER if flag else Status.FLAT for flag in gone)
    direction = np.where(gone[:, None], graph.direction, 0.0)
    certificate = Certificate(np.nan, np.nan, _beaten_by_none(gone), statuses, graph.component, direction)
    lost = np.where(gone[:, None], np.nan, bandit.log_ref)
    return Solution(lost, np.nan, np.nan, 0, Status.NO_MINIMISER, certificate)


def read_vertex(rows: Rows, graph: ComparisonGraph, gone: Array, vertex: Vertex) -> Solution:
    """The answer of the linear programs for a loss of straight pieces."""
    bandit, seen = rows.bandit, rows.share > 0
    held = _n_components(graph.component, bandit.support)
    statuses = []
    for context in range(bandit.n_contexts):
        if gone[context]:
            statuses.append(Status.NO_MINIMISER)
        elif not vertex.inside:
            statuses.append(Status.NOT_CONVERGED)
        else:
            loose = held[context] > 1 or not seen[context] or vertex.width[context] > _APART
            statuses.append(Status.FLAT if loose else Status.OPTIMAL)
    status = worst_status(tuple(statuses))
    log_policy = component_policy(bandit.log_ref, vertex.log_ratio, graph.component)
    reason = {
        Status.NO_MINIMISER: _beaten_by_none(gone),
        Status.NOT_CONVERGED: "the linear programs end on the wall of their box: the loss may fall for ever",
        Status.FLAT: "the loss has straight pieces and a set of minimisers, of which this is a corner: not every difference is identified",
        Status.OPTIMAL: "a loss of straight pieces: a linear program bounds it from below and its minimisers lie together",
    }[status]
    ended = status in (Status.OPTIMAL, Status.FLAT)
    return Solution(
        log_policy=np.where(gone[:, None], np.nan, log_policy),
        value=float(rows.share[seen] @ vertex.value[seen]) if not gone.any() else float("nan"),
        gradient_norm=float("nan"),
        steps=vertex.steps,
        status=status,
        certificate=Certificate(
            gap_bound=vertex.gap if ended else float("nan"),
            distance_bound=float(vertex.width[seen].max()) if ended else float("nan"),
            reason=reason,
            statuses=tuple(statuses),
            components=graph.component if status is Status.FLAT else None,
            direction=np.where(gone[:, None], graph.direction, 0.0) if gone.any() else None,
        ),
    )


def _n_components(component: Array, support: Array) -> Array:
    """(X,) how many components the supported actions form."""
    root = (component == np.arange(component.shape[1])) & support
    return root.sum(axis=1)


class Outcome:
    """Newton descents from one or several starts, and what they say about each context."""

    def __init__(
        self,
        rows: Rows,
        shape: LossShape,
        graph: ComparisonGraph,
        gone: Array,
        model: MarginModel | LogitModel,
        ends: list[Descent],
    ) -> None:
        self.rows, self.bandit, self.shape, self.graph, self.gone = rows, rows.bandit, shape, graph, gone
        self.model, self.ends = model, ends
        self.seen = rows.share > 0
        self.component = graph.component if shape.shift_invariant else np.zeros(self.bandit.reward.shape, dtype=np.int64)

    def solution(self) -> Solution:
        """The best end of each context, with its status and bounds."""
        values = np.stack([end.point.value for end in self.ends])
        best = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0)
        end = self._gather(best)
        log_policy = self._policy(end.logits)
        away = self._runs_away(end) & self.seen & ~self.gone
        many, minima = self._other_minima(log_policy)
        statuses = self._statuses(end, away, many)
        status = worst_status(statuses)
        nowhere, alive = self.gone | away, self.seen & ~(self.gone | away)
        ended = not (nowhere.any() or Status.NOT_CONVERGED in statuses)
        bound, decrement = self.model.error_bound(end.point)
        gap = np.maximum(decrement, 0.0) + 8 * np.finfo(np.float64).eps * end.point.magnitude
        direction = np.where(self.gone[:, None], self.graph.direction, 0.0)
        unit = end.last_move / np.maximum(np.abs(end.last_move).max(axis=1, keepdims=True), 1e-300)
        direction = np.where(away[:, None], unit, direction)
        flat = np.array([one is Status.FLAT for one in statuses])
        return Solution(
            log_policy=np.where(nowhere[:, None], np.nan, log_policy),
            value=float("nan") if nowhere.any() else float(self.rows.share[alive] @ end.point.value[alive]),
            gradient_norm=float(np.max(np.abs(self.model.gradient(end.point)[alive]), initial=0.0)),
            steps=max(one.steps for one in self.ends),
            status=status,
            certificate=Certificate(
                gap_bound=float(self.rows.share[alive] @ gap[alive]) if ended else float("nan"),
                distance_bound=float(np.max(bound[alive], initial=0.0)) if ended else float("nan"),
                reason=self._reason(status),
                statuses=statuses,
                components=self.component if flat.any() else None,
                direction=direction if nowhere.any() else None,
                minima=minima,
            ),
        )

    def _gather(self, best: Array) -> Descent:
        each = np.arange(len(best))
        pick = {
            name: np.stack([getattr(end, name) for end in self.ends])[best, each] for name in ("logits", "done", "last_move")
        }
        point = self.ends[0].point if len(self.ends) == 1 else self.model.evaluate(pick["logits"])
        return Descent(pick["logits"], point, 0, pick["done"], pick["last_move"])

    def _policy(self, logits: Array) -> Array:
        return component_policy(self.bandit.log_ref, logits, self.component)

    def _runs_away(self, end: Descent) -> Array:
        """(X,) contexts whose last true move still lowered the loss, and does so ever less but without end when followed.

        Near a minimiser Newton's moves shrink until they mean nothing; on the way to infinity they keep their length until
        the slope itself is lost in rounding.
        """
        moved = np.ptp(end.last_move, axis=1)
        suspect = moved > 1e-3 * self.shape.length
        if not suspect.any():
            return suspect
        unit = end.last_move / np.maximum(moved, 1e-300)[:, None] * self.shape.length

        def slope(lengths: float) -> Array:
            at = self.model.evaluate(end.logits + lengths * unit)
            return np.sum(self.model.gradient(at) * unit, axis=1)

        behind, near, here, ahead = slope(-4.0), slope(-2.0), slope(0.0), slope(8.0)
        falls = (behind < 0) & (near < 0) & (here <= 0) & (ahead <= 0)
        fades = (np.abs(near) < 0.7 * np.abs(behind)) & (np.abs(here) < 0.7 * np.abs(near))
        lasts = (here < 0) & (ahead <= 0.99 * here)
        return suspect & falls & np.where(end.done, fades, fades | lasts)

    def _other_minima(self, log_policy: Array) -> tuple[Array, tuple[Array, ...]]:
        """(X,) contexts in which a start came to rest in another minimum, and those minima."""
        many, minima = np.zeros(len(log_policy), dtype=bool), []
        for end in self.ends[1:] if len(self.ends) > 1 else ():
            other = self._policy(end.logits)
            with np.errstate(invalid="ignore"):
                apart = np.nan_to_num(np.abs(other - log_policy)).max(axis=1) > _APART
            apart &= end.done & (self.model.least_curvature(end.point, signed=True) > 0)
            if apart.any():
                many |= apart
                minima.append(np.where(apart[:, None], other, log_policy))
        return many, tuple(minima)

    def _statuses(self, end: Descent, away: Array, many: Array) -> tuple[Status, ...]:
        if self.shape.shift_invariant:
            loose = _n_components(self.component, self.bandit.support) > 1
        else:
            loose = self.model.null_directions(end.point) > 0
        statuses = []
        for context in range(len(away)):
            if self.gone[context] or away[context]:
                statuses.append(Status.NO_MINIMISER)
            elif not self.seen[context]:
                alone = self.bandit.support[context].sum() == 1
                statuses.append(Status.OPTIMAL if alone else Status.FLAT)
            elif not end.done[context]:
                statuses.append(Status.NOT_CONVERGED)
            elif many[context]:
                statuses.append(Status.SEVERAL_MINIMA)
            else:
                statuses.append(Status.FLAT if loose[context] else Status.OPTIMAL)
        return tuple(statuses)

    def _reason(self, status: Status) -> str:
        if status is Status.NO_MINIMISER and self.gone.any():
            return _beaten_by_none(self.gone)
        if status is Status.OPTIMAL and not self.shape.convex:
            return f"not convex, but {len(self.ends)} starts came to rest at one minimum, bounded by its curvature"
        return {
            Status.NO_MINIMISER: (
                "followed along certificate.direction the loss keeps falling, however slowly: its infimum lies at infinity"
            ),
            Status.NOT_CONVERGED: (
                "the iterations did not come to rest: the loss may have no minimiser, or no second derivative where it has one"
            ),
            Status.SEVERAL_MINIMA: (
                "the loss is not convex and several starts came to rest in different minima; the best of them is reported"
            ),
            Status.FLAT: _FLAT,
            Status.OPTIMAL: "convex loss, gradient within rounding of 0: the minimiser, bounded by the curvature",
        }[status]
