"""The ends of the descents, read context by context: which status each earned, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.cells import Cells
from bandits.components import component_policy
from bandits.door import Array
from bandits.graph import ComparisonGraph
from bandits.kinks import Vertex
from bandits.logits import LogitModel
from bandits.margins import MarginModel
from bandits.newton import Descent
from bandits.probe import LossShape
from bandits.problem import TabularBandit
from bandits.rows import Rows
from bandits.solution import Certificate, Solution, Status, worst_status
from bandits.spreads import spread

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


def read_vertex(rows: Rows | Cells, graph: ComparisonGraph, gone: Array, vertex: Vertex) -> Solution:
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
    """Newton descents from one or several starts, which ran as copies of the problem, and what they say about each context."""

    def __init__(
        self,
        rows: Rows | Cells,
        shape: LossShape,
        graph: ComparisonGraph,
        gone: Array,
        model: MarginModel | LogitModel,
        end: Descent,
        n_starts: int,
    ) -> None:
        self.rows, self.bandit, self.shape, self.graph, self.gone = rows, rows.bandit, shape, graph, gone
        self.model, self.end, self.n_starts = model, end, n_starts
        self.seen = rows.share > 0
        self.component = graph.component if shape.shift_invariant else np.zeros(self.bandit.reward.shape, dtype=np.int64)

    def solution(self) -> Solution:
        """The best end of each context, with its status and bounds."""
        end, x = self.end, self.bandit.n_contexts
        values = end.point.value.reshape(self.n_starts, x)
        best = np.argmin(np.where(np.isnan(values), np.inf, values), axis=0) * x + np.arange(x)
        ref, component = self.bandit.log_ref, self.component
        if self.n_starts > 1:
            ref, component = (np.tile(part, (self.n_starts, 1)) for part in (ref, component))
        policies = component_policy(ref, end.logits, component)
        away, direction = self._runs_away(best)
        away &= self.seen & ~self.gone
        many, minima = self._other_minima(policies, best)
        statuses = self._statuses(best, away, many)
        status = worst_status(statuses)
        nowhere, alive = self.gone | away, self.seen & ~(self.gone | away)
        ended = not (nowhere.any() or Status.NOT_CONVERGED in statuses)
        found = (*self.model.error_bound(end.point), end.point.value, end.point.magnitude, self.model.gradient(end.point), policies)
        bound, decrement, value, magnitude, gradient, policies = found if self.n_starts == 1 else (part[best] for part in found)
        gap = np.maximum(decrement, 0.0) + 8 * np.finfo(np.float64).eps * magnitude
        if nowhere.any():
            policies = np.where(nowhere[:, None], np.nan, policies)
            direction = np.where(away[:, None], direction, np.where(self.gone[:, None], self.graph.direction, 0.0))
        return Solution(
            log_policy=policies,
            value=float("nan") if nowhere.any() else float(self.rows.share[alive] @ value[alive]),
            gradient_norm=float(np.max(np.abs(gradient if alive.all() else gradient[alive]), initial=0.0)),
            steps=end.steps,
            status=status,
            certificate=Certificate(
                gap_bound=float(self.rows.share[alive] @ gap[alive]) if ended else float("nan"),
                distance_bound=float(np.max(bound[alive], initial=0.0)) if ended else float("nan"),
                reason=self._reason(status),
                statuses=statuses,
                components=self.component if Status.FLAT in statuses else None,
                direction=direction if nowhere.any() else None,
                minima=minima,
            ),
        )

    def _runs_away(self, best: Array) -> tuple[Array, Array]:
        """(X,) contexts whose loss was still falling, ever less but without end, and the (X, A) direction.

        Near a minimiser Newton's moves shrink until they mean nothing, and the loss rises beyond; on the way to infinity the
        moves keep their length until the slope itself is lost in rounding. So whoever stopped in a long move, or where some
        direction has no curvature, or not at all, is followed back and ahead.
        """
        end, length = self.end, self.shape.length
        if self.shape.shift_invariant and end.done.all() and not end.last_move.any():
            return np.zeros(len(best), dtype=bool), np.zeros((len(best), end.logits.shape[1]))
        widest = spread(end.logits)[:, None]
        suspects: list[tuple[Array, Array, Any]] = [(~end.done | (spread(end.last_move) > 1e-3 * length), end.last_move, length)]
        suspects.append((~end.done, end.logits, widest / 16))
        if isinstance(self.model, LogitModel) and not self.shape.shift_invariant:
            level, count = self.model.flattest(end.point)
            outward = np.where(np.sum(level * end.logits, axis=1, keepdims=True) < 0, -level, level)
            suspects.append((end.done & (count > 0), outward, widest / 16))
        away, direction = np.zeros(len(widest), dtype=bool), np.zeros_like(end.logits)
        for suspect, move, reach in suspects:
            suspect &= ~away
            if suspect[best].any():
                unit = move / np.maximum(spread(move)[:, None], 1e-300)
                falls = suspect & self._falls_along(unit * reach)
                away |= falls
                direction = np.where(falls[:, None], unit, direction)
        return away[best], direction[best] / np.maximum(np.abs(direction[best]).max(axis=1, keepdims=True), 1e-300)

    def _falls_along(self, unit: Array) -> Array:
        """Whether the slope along `unit` was negative behind the end, has faded or lasts there, and never turns up ahead."""
        slopes = []
        for distance in (-12.0, -10.0, -8.0, -6.0, -4.0, -2.0, 0.0, 8.0):
            at = self.model.evaluate(self.end.logits + distance * unit)
            slopes.append(np.sum(self.model.gradient(at) * unit, axis=1))
        noise = 64 * np.finfo(np.float64).eps * spread(unit) * self.end.point.magnitude
        away = np.zeros(len(unit), dtype=bool)
        for start in range(len(slopes) - 3):
            fell = (slopes[start] < -noise) & (slopes[start + 1] < 0)
            no_steeper = np.abs(slopes[start + 1]) <= np.abs(slopes[start]) * (1 + 1e-9)
            faded = np.abs(slopes[-2]) < 0.9 * np.abs(slopes[start])
            lasts = (slopes[-1] < -noise) & (slopes[-1] <= 0.99 * slopes[-2])
            away |= fell & no_steeper & (faded | lasts) & np.all(np.array(slopes[start + 1 :]) <= noise, axis=0)
        return away

    def _other_minima(self, policies: Array, best: Array) -> tuple[Array, tuple[Array, ...]]:
        """(X,) contexts in which a start came to rest in another minimum, and those minima."""
        if self.n_starts == 1 or not isinstance(self.model, LogitModel):
            return np.zeros(len(best), dtype=bool), ()
        with np.errstate(invalid="ignore"):
            apart = np.nan_to_num(np.abs(policies - np.tile(policies[best], (self.n_starts, 1)))).max(axis=1) > _APART
        apart &= self.end.done & (self.model.least_curvature(self.end.point, signed=True) > 0)
        others = zip(np.split(policies, self.n_starts), np.split(apart, self.n_starts), strict=True)
        minima = tuple(np.where(differs[:, None], other, policies[best]) for other, differs in others if differs.any())
        return apart.reshape(self.n_starts, -1).any(axis=0), minima

    def _statuses(self, best: Array, away: Array, many: Array) -> tuple[Status, ...]:
        loose = _n_components(self.component, self.bandit.support) > 1
        if isinstance(self.model, LogitModel) and not self.shape.shift_invariant:
            loose = self.model.flattest(self.end.point)[1][best] > 0
        done = self.end.done[best]
        alone = self.bandit.support.sum(axis=1) == 1
        cases = {
            Status.NO_MINIMISER: self.gone | away,
            Status.OPTIMAL: ~self.seen & alone,
            Status.FLAT: ~self.seen,
            Status.NOT_CONVERGED: ~done,
            Status.SEVERAL_MINIMA: many,
        }
        earned = np.select(list(cases.values()), np.arange(1, 6), np.where(loose, 6, 0))
        names = [Status.OPTIMAL, *cases, Status.FLAT]
        if (earned == earned[0]).all():
            return (names[earned[0]],) * len(earned)
        return tuple([names[code] for code in earned.tolist()])

    def _reason(self, status: Status) -> str:
        if status is Status.NO_MINIMISER and self.gone.any():
            return _beaten_by_none(self.gone)
        if status is Status.OPTIMAL and not self.shape.convex:
            return f"not convex, but {self.n_starts} starts came to rest at one minimum, bounded by its curvature"
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
