"""Components of many small directed graphs at once: the nodes that a node reaches are the bits of one whole number."""

from __future__ import annotations

import numpy as np

from bandits.door import Array

__all__ = ["WIDEST", "components_by_bits", "components_of_masks", "masks_of_cells"]

WIDEST = 64  # actions, the bits of the widest whole number


def components_by_bits(winner: Array, loser: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Connected and strongly connected components of X graphs of A <= 64 nodes each, by transitive closure of bit masks.

    Args:
        winner: (N,) nodes context * A + action.
        loser: (N,) nodes of the same contexts.
        shape: (X, A).

    Returns:
        (X * A,) labels of the connected, and of the strongly connected component: the smallest node in it.

    >>> [part.tolist() for part in components_by_bits(np.array([0, 1, 3]), np.array([1, 0, 4]), (2, 3))]
    [[0, 0, 2, 3, 3, 5], [0, 0, 2, 3, 4, 5]]
    """
    x, a = shape
    wins = np.zeros((x, a, 8 << max(0, (a - 1).bit_length() - 3)), dtype=bool)  # as many columns as a whole number has bits
    wins.reshape(-1)[winner * wins.shape[2] + loser % a] = True
    losses = np.zeros_like(wins)
    losses[:, :, :a] = wins[:, :, :a].transpose(0, 2, 1)
    return components_of_masks(_masks(wins), _masks(losses))


def components_of_masks(wins: Array, losses: Array) -> tuple[Array, Array]:
    """The same from (A, X) whole numbers of at least A bits: whom each node beat, and who beat it.

    >>> wins, losses = np.array([[0b10], [0b01]], dtype=np.uint8), np.array([[0b10], [0b01]], dtype=np.uint8)
    >>> components_of_masks(wins, losses)[1].tolist()
    [0, 0]
    """
    a, x = wins.shape
    ahead, back = _closure(wins), _closure(losses)
    strong = _lowest(ahead & back)
    if not strong.any():
        label = np.repeat(np.arange(x) * a, a)
        return label, label
    weak = _lowest(_closure(wins | losses))
    start = np.arange(x) * a
    return (weak + start).T.reshape(-1), (strong + start).T.reshape(-1)


def masks_of_cells(compared: Array, n_actions: int) -> tuple[Array, Array]:
    """(A, X) whom each action beat and who beat it, as bits, from (2, E, X) flags of the ordered pairs in the order of `bandits.cells`.

    >>> masks_of_cells(np.array([[[True], [False], [False]], [[False], [False], [True]]]), 3)[0].tolist()
    [[2], [0], [2]]
    """
    kind = np.dtype(f"u{1 << max(0, (n_actions - 1).bit_length() - 3)}").type
    wins, losses = (np.zeros((n_actions, compared.shape[2]), dtype=kind) for _ in range(2))
    flags, end = compared.view(np.uint8).astype(kind, copy=False), 0
    for i in range(n_actions - 1):
        pairs, end = slice(end, end + n_actions - 1 - i), end + n_actions - 1 - i
        later = np.arange(i + 1, n_actions, dtype=kind)[:, None]
        for table, first in ((wins, 0), (losses, 1)):
            table[i] |= np.bitwise_or.reduce(flags[first, pairs] << later, axis=0)
            table[i + 1 :] |= flags[1 - first, pairs] << kind(i)
    return wins, losses


def _masks(wins: Array) -> Array:
    """(A, X) whole numbers from (X, A, bits) flags."""
    x, a, bits = wins.shape
    masks = np.packbits(wins.reshape(-1), bitorder="little").view(f"<u{bits // 8}")
    return np.ascontiguousarray(masks.reshape(x, a).T).astype(np.dtype(f"u{bits // 8}").type)


def _closure(masks: Array) -> Array:
    """(A, X) the nodes that each node reaches, itself included."""
    a, kind = len(masks), masks.dtype.type
    reach = masks.copy()
    ones = kind(1) << np.arange(a, dtype=kind)
    reach |= ones[:, None]
    for through in range(a):
        passes = (reach >> kind(through)) & kind(1)
        reach |= passes * reach[through]
    return reach


def _lowest(masks: Array) -> Array:
    """(A, X) the number of the lowest bit."""
    low = masks & (~masks + masks.dtype.type(1))
    return np.log2(low.astype(np.float64)).astype(np.int64)
