"""The policy that minimises a Plackett-Luce loss, in any number of stages, on rankings of any lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from bandits.data import RankedLogProbs, Rankings
from bandits.door import Array
from bandits.graph import ComparisonGraph, graph_of_wins
from bandits.newton import Descent, descend
from bandits.outcome import Outcome, nothing_left
from bandits.probe import LossShape
from bandits.problem import TabularBandit
from bandits.rankings_pairs import MOST_PAIRS, PairedStages, pairs_of
from bandits.rankings_passes import Block, thinned
from bandits.rankings_quick import QuickStages, Stalled
from bandits.rankings_rows import Columns, read_columns
from bandits.rankings_staged import DECADES, Staged, agrees_at, read_staged
from bandits.rows import Rows
from bandits.solution import Solution

__all__ = ["minimise_staged"]

_ASKED = 64  # rankings of each length at whose reference the loss is asked
_CHECKED = 256  # and at the optimum
_SMALL_PAIRS = 200_000  # pairs below which elimination is as quick as sweeps
_MANY = 30_000  # rankings from which a part of them gives the start
_FEWER = 8  # times
_ROUGH = 0.03  # of the spread: how near the start from a part of them comes to its end
_SHARP = 1e-6  # beta times nats; a looser bound is worked out again, pair by pair


def minimise_staged(
    bandit: TabularBandit, loss: Callable, data: Sequence[Rankings], start: Array, *, tol: float, max_steps: int
) -> Solution | None:
    """The Solution of `minimise_loss`, if the loss is a staged softmax of the log-ratios; None if it is not.

    Args:
        bandit: the problem.
        loss: RankedLogProbs -> (N,).
        data: rankings of one length in each block.
        start: (X, A) log-ratios.
        tol, max_steps: as in `minimise_loss`.

    Raises:
        ValueError: as `minimise_loss`.
    """
    columns, share = read_columns(bandit, data)
    pieces = [piece for block in columns for piece in block]
    asked = [_asked(bandit, loss, block) if block else None for block in columns]
    if any(one is None for one, block in zip(asked, columns, strict=True) if block):
        return None
    known = [one for one, block in zip(asked, columns, strict=True) if one is not None for _ in block]
    if len({one.beta for one in known}) > 1 or not any(one.stage.any() for one in known):
        return None
    beta, (x, a) = known[0].beta, bandit.reward.shape
    blocks = [_block(node, weight, one) for (node, weight), one in zip(pieces, known, strict=True)]
    graph, connected = _graph(blocks, x, a)
    gone = ~graph.exists
    alive = [block.take(np.flatnonzero(~gone[block.node[0] // a])) for block in blocks] if gone.any() else blocks
    alive = [block for block in alive if block.node.shape[1] and block.stages]
    if not alive:
        return nothing_left(bandit, graph, gone)
    shape = LossShape(shift_invariant=True, convex=True, kinked=False, length=1 / beta)
    uneven = np.ptp(np.where(bandit.support, bandit.log_ref, 0.0), axis=1)
    options = {"radius": 8 / beta, "tol": tol, "max_steps": max_steps, "far": np.maximum(1e4 / beta, 200.0) + uneven}
    model, end = _descend(alive, graph, beta, start, connected, options)
    extra = np.zeros(x)
    for (node, weight), one in zip(pieces, known, strict=True):
        extra += one.offset * np.bincount(node[0] // a, weights=weight, minlength=x)
    end = end._replace(point=end.point._replace(value=end.point.value + extra))
    none = np.zeros(0, dtype=np.int64)
    rows = Rows(bandit, none, none.reshape(0, 2), np.zeros(0), share, None, True)
    found = Outcome(rows, shape, graph, gone, cast(Any, model), end, 1).solution()
    checked = [_confirmed(bandit, block, one, end.logits) for block, one in zip(columns, asked, strict=True) if one is not None]
    if not all(checked):
        return None
    stages = sorted({block.stages for block in alive})
    reason = f"{found.certificate.reason}; {_how(beta, stages, sum(checked))}"
    return replace(found, certificate=replace(found.certificate, reason=reason))


def _how(beta: float, stages: list[int], checked: int) -> str:
    choices = " or ".join(str(one) for one in stages)
    return (
        f"the loss was recognised as Plackett-Luce in the log-ratios, beta = {beta:g}, {choices} choices a ranking: value and gradient are "
        f"those of the staged softmax in {DECADES} decades of log-ratios, and the value at the answer on {checked} rankings"
    )


def _asked(bandit: TabularBandit, loss: Callable, pieces: list[Columns]) -> Staged | None:
    return read_staged(loss, bandit.log_ref.reshape(-1)[_some(pieces, _ASKED)])


def _some(pieces: Sequence[Columns], most: int) -> Array:
    """(M, K) nodes of evenly spaced rankings."""
    each = max(most // len(pieces), 1)
    index = [np.unique(np.linspace(0, len(weight) - 1, each).astype(np.int64)) for _, weight in pieces]
    return np.concatenate([node[:, some].T for (node, _), some in zip(pieces, index, strict=True)])[:most]


def _block(node: Array, weight: Array, staged: Staged) -> Block:
    """The first stage that counts, counts 1; its factor goes to the weights."""
    factor = staged.stage[np.argmax(staged.stage > 0)] if staged.stage.any() else 1.0
    return Block(node, weight if factor == 1 else weight * factor, staged.stage / factor)


def _confirmed(bandit: TabularBandit, pieces: list[Columns], staged: Staged, logits: Array) -> int:
    """How many rankings the loss agrees on with its formula at the answer; 0 if it does not on one of them."""
    node = _some(pieces, _CHECKED)
    ref, level = bandit.log_ref.reshape(-1)[node], logits.reshape(-1)[node]
    seen = RankedLogProbs(ref + level - level.max(axis=1, keepdims=True), ref)
    return len(node) if agrees_at(staged, seen) else 0


def _graph(blocks: Sequence[Block], x: int, a: int) -> tuple[ComparisonGraph, int]:
    """Who beat whom, and how many times fewer rankings would connect all actions of the only context both ways just as well."""
    number = sum(block.node.shape[1] for block in blocks)
    every = _FEWER if x == 1 and number >= _MANY else 1
    if every > 1:
        part = graph_of_wins(*_wins(thinned(blocks, every)), x, a)
        if part.exists[0] and part.connected[0]:
            return part, every
    return graph_of_wins(*_wins(blocks), x, a), 1


def _wins(blocks: Sequence[Block]) -> tuple[Array, Array]:
    """Each scored choice as a win over the next choice, or over all that are left when the next is not scored."""
    winner, loser = [], []
    for block in blocks:
        for place in range(block.stages):
            if block.stage[place]:
                behind = block.node[place + 1 :] if not block.stage[place + 1] else block.node[place + 1 : place + 2]
                behind = block.node[place + 1 : place + 2] if place + 2 == len(block.node) else behind
                winner.append(np.broadcast_to(block.node[place], behind.shape).reshape(-1))
                loser.append(behind.reshape(-1))
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *winner]), np.concatenate([none, *loser])


def _descend(
    blocks: Sequence[Block], graph: ComparisonGraph, beta: float, start: Array, every: int, options: dict[str, Any]
) -> tuple[QuickStages | PairedStages, Descent]:
    pairs, steps = pairs_of(blocks), 0
    if pairs > _SMALL_PAIRS:
        try:
            slow = None
            if every > 1:
                few = QuickStages(thinned(blocks, every), start.shape, graph.component, beta)
                near = descend(few, start, **{**options, "tol": _ROUGH})
                start, slow = near.logits, few.slow_directions(near.point)
            quick = QuickStages(blocks, start.shape, graph.component, beta, slow)
            end = descend(quick, start, **options)
            sharp = bool(quick.error_bound(end.point)[0].max() <= _SHARP / beta)
            if (sharp and end.done.all()) or pairs > MOST_PAIRS:
                return quick, end
            start, steps = end.logits, end.steps
        except Stalled:
            if pairs > MOST_PAIRS:
                raise ValueError(_too_many(pairs)) from None
    model = PairedStages(blocks, start.shape, beta)
    end = descend(model, start, **options)
    return model, end._replace(steps=end.steps + steps)


def _too_many(pairs: int) -> str:
    return (
        f"conjugate gradients stalled, for the strengths are far apart or the rankings badly mixed, and there are {pairs} pairs of actions "
        f"in the rankings, expected at most {MOST_PAIRS} for elimination. Join equal rankings by their weight, or leave rankings out."
    )
