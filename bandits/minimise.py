"""The policy that minimises a preference loss, on data or on the exact population, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bandits.cells import Cells, read_cells
from bandits.cells_margins import cell_model
from bandits.data import Comparisons, Rankings
from bandits.door import Array, require_log_probs, require_same_shape
from bandits.graph import ComparisonGraph, comparison_graph, graph_of_cells, graph_of_wins
from bandits.kinks import minimise_pieces
from bandits.logits import LogitModel
from bandits.margins import MarginModel
from bandits.memory import keep_freed_memory
from bandits.newton import descend
from bandits.outcome import Outcome, nothing_left, read_vertex
from bandits.probe import LossShape, falls_for_ever, inspect_loss, reads_target
from bandits.problem import TabularBandit
from bandits.rankings_rows import ranked_blocks
from bandits.rankings_solve import minimise_staged
from bandits.rows import Rows, read_rows
from bandits.solution import Solution
from bandits.spreads import spread

__all__ = ["minimise_loss"]

_FAR_MARGINS, _FAR_LOGITS = 1e4, 40.0  # times the loss's length: beyond, an iteration runs to infinity
_FAR_NATS = 200.0  # and at least so far
_STARTS = 8
_DENSE_LIMIT = 1000


def minimise_loss(
    bandit: TabularBandit,
    loss: Callable,
    data: Comparisons | Rankings | Sequence[Rankings] | None = None,
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
        data: Comparisons (weight and target honoured), Rankings, or None for the exact population. A Plackett-Luce loss takes a
            list of Rankings too, of one length each.
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
    keep_freed_memory()
    if not callable(loss):
        raise ValueError(f"loss is {loss!r}, expected a callable: PairLogProbs -> (N,).")
    if data is not None and (design is not None or preferences is not None):
        raise ValueError("data was given together with design or preferences, which describe the population. Pass one of the two.")
    ranked = ranked_blocks(data)
    if ranked is not None:
        first = _starts(bandit, start, LossShape(shift_invariant=True, convex=True, kinked=False, length=1.0))[0]
        staged = minimise_staged(bandit, loss, ranked, first, tol=tol, max_steps=max_steps)
        if staged is not None:
            return staged
        if len(ranked) > 1:
            raise ValueError(
                f"data is {len(ranked)} blocks of rankings, which are solved together for Plackett-Luce losses alone, and the loss was not "
                "recognised as one. Pass one block, or call minimise_ranking_loss for a convex loss."
            )
        data = ranked[0]
    soft = not isinstance(data, Rankings) and reads_target(loss, bandit.tokens is not None)
    rows = (None if soft else read_cells(bandit, data)) or read_rows(bandit, data, design, preferences, soft=soft)
    shape = inspect_loss(loss, rows)
    graph = _graph_of(rows)
    gone = _runaways(loss, rows, graph, shape)
    margins_suffice = shape.shift_invariant and shape.convex and not rows.ranked
    if not margins_suffice and bandit.n_actions > _DENSE_LIMIT:
        raise ValueError(
            f"there are {bandit.n_actions} actions, expected at most {_DENSE_LIMIT} for a loss that is not a convex function of "
            "the margin: its Hessian is dense."
        )
    kept = rows.without(gone) if gone.any() else rows
    if len(kept) == 0:
        return nothing_left(bandit, graph, gone)
    if margins_suffice and shape.kinked:
        return read_vertex(rows, graph, gone, minimise_pieces(loss, kept.listed(), graph.component, shape.length))
    starts = _starts(bandit, start, shape)
    model: MarginModel | LogitModel | None = cell_model(loss, kept) if margins_suffice and isinstance(kept, Cells) else None
    if model is None and margins_suffice:
        model = MarginModel(loss, kept.listed(), graph.component)
    elif model is None:
        copies = kept.listed().repeated(len(starts)) if len(starts) > 1 else kept.listed()
        model = LogitModel(loss, copies, np.tile(graph.component, (len(starts), 1)) if shape.shift_invariant else None)
    logits = np.concatenate(starts)
    settled, before = np.zeros(len(logits), dtype=bool), 0
    if isinstance(model, MarginModel):
        logits, settled, before = model.approach(logits, shape.length)
    uneven = np.tile(spread(np.where(bandit.support, bandit.log_ref, 0.0)), len(starts))
    far = np.maximum((_FAR_MARGINS if margins_suffice else _FAR_LOGITS) * shape.length, _FAR_NATS) + uneven
    end = descend(model, logits, radius=8 * shape.length, tol=tol, max_steps=max_steps, far=far, settled=settled)
    end = end._replace(steps=before + end.steps)
    return Outcome(rows, shape, graph, gone, model, end, len(starts)).solution()


def _graph_of(rows: Rows | Cells) -> ComparisonGraph:
    a, x = rows.bandit.n_actions, rows.bandit.n_contexts
    if isinstance(rows, Cells):
        return graph_of_cells(rows.compared, a, lambda: tuple(rows.listed().nodes))
    if rows.ranked:
        return comparison_graph(Rankings(rows.context, rows.actions), a, n_contexts=x)
    chosen, rejected = rows.nodes
    if rows.target is None:
        return graph_of_wins(chosen, rejected, x, a)
    won, lost = rows.target > 0, rows.target < 1
    winner, loser = np.concatenate([chosen[won], rejected[lost]]), np.concatenate([rejected[won], chosen[lost]])
    return graph_of_wins(winner, loser, x, a)


def _runaways(loss: Callable, rows: Rows | Cells, graph: ComparisonGraph, shape: LossShape) -> Array:
    """(X,) contexts in which the graph's direction lowers the loss for ever."""
    suspects = ~graph.exists
    if not (shape.shift_invariant and suspects.any()):
        return np.zeros(len(suspects), dtype=bool)
    return suspects & falls_for_ever(loss, rows.listed(), graph.direction, shape.length)


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
