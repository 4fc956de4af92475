"""The staged softmax over many rankings at once: values, gradients and products with the Hessian, a few vector operations each.

A ranking of K actions is K columns of a table with one row per place, so that the sums over the actions left at a stage are running
sums of whole rows. The weights e^z are looked up in a table of all actions; blocks of rankings stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array

__all__ = ["Block", "Passes", "Swept", "piece_length", "thinned"]

_CELLS = 160_000  # numbers in a block of rankings
_LARGEST_LOG = 600.0  # of a product that may not overflow


class Block(NamedTuple):
    """Rankings of one length.

    Args:
        node: (K, N) context * A + action, best first.
        weight: (N,), which sum to 1 within each context over all blocks.
        stage: (K,) weight of each stage's choice; 0 for stages that are not scored, and for the last.
    """

    node: Array
    weight: Array
    stage: Array

    @property
    def stages(self) -> int:
        """One more than the last stage that is scored."""
        scored = np.flatnonzero(self.stage)
        return int(scored[-1]) + 1 if len(scored) else 0

    @property
    def even(self) -> bool:
        """Every stage up to the last counts 1."""
        return bool((self.stage[: self.stages] == 1).all())

    def logs(self, left: Array, one: bool) -> Array:
        """(N,) weighted logarithms of the (T, N) sums; a single one per ranking where their product cannot overflow."""
        if one and self.even:
            return self.weight * np.log(np.multiply.reduce(left, axis=0))
        return self.weight * (self.stage[: self.stages] @ np.log(left))

    def take(self, index: Any) -> Block:
        """The rankings at `index`, with their weights."""
        return Block(np.ascontiguousarray(self.node[:, index]), self.weight[index], self.stage)


class Swept(NamedTuple):
    """One sweep over the rankings at strengths z.

    Args:
        value: (X,) mean loss.
        magnitude: (X,) the sum of absolute values that it is the sum of.
        gain: (n,) what raises each strength: the surprise of the choices that it won. The gradient is loss - gain, and nothing
            cancels inside the two.
        loss: (n,) what lowers it: its chances in the choices that it lost.
        table: (n,) e^(z - shift), the shift being each context's largest z.
    """

    value: Array
    magnitude: Array
    gain: Array
    loss: Array
    table: Array


class Passes:
    """Sweeps over blocks of rankings.

    Args:
        blocks: the rankings.
        shape: (X, A).
    """

    def __init__(self, blocks: Sequence[Block], shape: tuple[int, int]) -> None:
        self.shape, self.n = shape, shape[0] * shape[1]
        self.pieces = [piece for block in blocks for piece in _pieces(block, self.n)]
        self.wins = np.zeros(self.n)
        for piece in self.pieces:
            _add(self.wins, piece.node[: piece.stages], piece.stage[: piece.stages, None] * piece.weight)
        self.inverse = [np.empty((piece.stages, piece.node.shape[1])) for piece in self.pieces]
        self.inverse_at: Array | None = None
        self.rooms = np.empty((3, max((piece.node.size for piece in self.pieces), default=0)))
        self.longest = max((len(piece.node) for piece in self.pieces), default=0)

    def additions(self) -> Array:
        """(n,) how many numbers are added in a row for a sum over the rankings."""
        longest = np.zeros(self.n, dtype=np.int64)
        for piece in self.pieces:
            np.maximum(longest, np.bincount(piece.node.reshape(-1), minlength=self.n), out=longest)
        return longest + len(self.pieces)

    def sweep(self, z: Array) -> Swept:
        """Value and gradient at (n,) strengths whose spread within a context is far from overflow."""
        level = z.reshape(self.shape)
        shifted = (level - level.max(axis=1, keepdims=True)).reshape(-1)
        table, one_log = np.exp(shifted), self.longest * (-float(shifted.min()) + np.log(self.longest + 2)) < _LARGEST_LOG
        gain, lost, held = np.zeros(self.n), np.zeros(self.n), np.zeros(self.shape[0])
        self.inverse_at = table
        for piece, twice in zip(self.pieces, self.inverse, strict=True):
            node, stages = piece.node, piece.stages
            each, left = self._room(0, node.shape), self._room(1, node.shape)
            table.take(node, out=each, mode="clip")
            left[-1] = each[-1]
            for k in range(len(each) - 2, -1, -1):
                np.add(left[k + 1], each[k], out=left[k])
            held += self._per_context(node[0], piece.logs(left[:stages], one_log))
            once = self._room(2, twice.shape)
            np.divide(1.0, left[:stages], out=twice)
            np.multiply(twice, piece.weight, out=once)
            if not piece.even:
                once *= piece.stage[:stages, None]
            twice *= once
            left[1 : stages + 1] *= once
            _add(gain, node[:stages], left[1 : stages + 1])
            chances = each[1:]
            _running(once, chances)
            _add(lost, node[1:], chances)
        won = (self.wins * shifted).reshape(self.shape)
        return Swept(held - won.sum(axis=1), np.abs(held) + np.abs(won).sum(axis=1), gain, table * lost, table)

    def times(self, swept: Swept, vector: Array) -> Array:
        """(n,) the Hessian at `swept`, times (n,) a vector."""
        scaled, pulled = swept.table * vector, np.zeros(self.n)
        for piece, inverse in self._inverses(swept):
            stages = len(inverse)
            held = self._room(0, piece.node.shape)
            scaled.take(piece.node, out=held, mode="clip")
            for k in range(len(held) - 2, -1, -1):
                held[k] += held[k + 1]
            held[:stages] *= inverse
            _running(held[:stages], held)
            _add(pulled, piece.node, held)
        return vector * (swept.loss + self.wins - swept.gain) - swept.table * pulled

    def diagonal(self, swept: Swept) -> Array:
        """(n,) the Hessian's diagonal."""
        squares = np.zeros(self.n)
        for piece, inverse in self._inverses(swept):
            total = self._room(0, piece.node.shape)
            _running(inverse, total)
            _add(squares, piece.node, total)
        return np.maximum(swept.loss + self.wins - swept.gain - swept.table**2 * squares, 0.0)

    def couplings(self, swept: Swept, every: int) -> Array:
        """(n, n) minus the Hessian's entries off the diagonal, which are springs between two actions; 0 on the diagonal.

        Of one ranking in so many; `every` 1 takes them all.
        """
        found, cells = np.zeros(self.n**2), np.empty(self.rooms.shape[1], dtype=np.int64)
        for piece, inverse in self._inverses(swept):
            number = -(-piece.node.shape[1] // every)
            total = np.zeros(number)
            for k in range(len(piece.node) - 1):
                if k < len(inverse):
                    total += inverse[k, :number]
                behind = piece.node[k + 1 :, :number]
                parts, cell = self._room(0, behind.shape), cells[: behind.size].reshape(behind.shape)
                parts[:] = total
                np.add(piece.node[k, :number] * self.n, behind, out=cell)
                np.add.at(found, cell.reshape(-1), parts.reshape(-1))
        square = found.reshape(self.n, self.n)
        square = square + square.T
        square *= swept.table
        square *= swept.table[:, None]
        return square

    def _inverses(self, swept: Swept) -> Iterator[tuple[Block, Array]]:
        """Each piece with its (T, N) weights over the squares of the sums of the table over the actions left."""
        if self.inverse_at is not swept.table:
            self.sweep(np.log(swept.table))
            self.inverse_at = swept.table
        return zip(self.pieces, self.inverse, strict=True)

    def _room(self, which: int, shape: tuple[int, int]) -> Array:
        """Scratch memory, the same at every call."""
        return self.rooms[which, : shape[0] * shape[1]].reshape(shape)

    def _per_context(self, node: Array, value: Array) -> Array:
        if self.shape[0] == 1:
            return np.array([value.sum()])
        return np.bincount(node // self.shape[1], weights=value, minlength=self.shape[0])


def _add(total: Array, node: Array, parts: Array) -> None:
    total += np.bincount(node.reshape(-1), weights=parts.reshape(-1), minlength=len(total))


def _running(parts: Array, total: Array) -> None:
    """Sums over the stages so far, and on to the places after the last stage; `total` may be `parts` and more."""
    total[0] = parts[0]
    for k in range(1, len(total)):
        if k < len(parts):
            np.add(total[k - 1], parts[k], out=total[k])
        else:
            total[k] = total[k - 1]


def thinned(blocks: Sequence[Block], every: int) -> list[Block]:
    """Every so many-th ranking of each block, with the weight it has; blocks whose stages weigh the same are joined.

    >>> [block.node.tolist() for block in thinned([Block(np.arange(6).reshape(2, 3), np.ones(3), np.array([1.0, 0.0]))], 2)]
    [[[0, 2], [3, 5]]]
    """
    if every == 1:
        return list(blocks)
    alike: dict[bytes, list[Block]] = {}
    for block in blocks:
        alike.setdefault(block.stage.tobytes(), []).append(block)
    return [
        Block(
            np.concatenate([one.node[:, ::every] for one in same], axis=1),
            np.concatenate([one.weight[::every] for one in same]),
            same[0].stage,
        )
        for same in alike.values()
    ]


def piece_length(places: int, nodes: int) -> int:
    """How many rankings are worked on at a time: what a processor's cache holds, and more than a pass over all actions costs."""
    return max(_CELLS // places, nodes // (4 * places), 1)


def _pieces(block: Block, nodes: int) -> list[Block]:
    number, step = block.node.shape[1], piece_length(len(block.node), nodes)
    if block.stages == 0 or number == 0:
        return []
    if number <= step:
        return [block]
    return [block.take(slice(first, first + step)) for first in range(0, number, step)]
