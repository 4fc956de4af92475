"""What the reference said of a pair before."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

__all__ = ["Memory"]


class Memory:
    """Reference log-probabilities by pair, from step to step; the reference is frozen, so they never change.

    Args:
        tolerance: nats by which the same pair may differ, relative to its log-probability: padding and kernels round.
        most: pairs to remember; later ones are not.

    >>> memory = Memory()
    >>> memory.changed(["a", "b"], [-3.0, -4.0], [-5.0, -6.0])
    []
    >>> memory.changed(["b"], [-4.5], [-6.0])
    [('b', -4.0, -4.5)]
    """

    def __init__(self, tolerance: float = 1e-3, most: int = 100_000) -> None:
        if not tolerance > 0 or most < 1:
            raise ValueError(f"tolerance is {tolerance!r} and most {most!r}, expected tolerance > 0 and most >= 1.")
        self.tolerance, self.most = tolerance, most
        self._seen: dict[Hashable, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def changed(self, ids: Sequence[Hashable], ref_chosen: Any, ref_rejected: Any) -> list[tuple[Hashable, float, float]]:
        """(id, before, now) of every pair whose reference log-probability is another one than before; the others are remembered.

        Args:
            ids: one name per pair, the same whenever it comes again.
            ref_chosen, ref_rejected: (N,) nats.
        """
        found = []
        for id, chosen, rejected in zip(ids, np.asarray(ref_chosen).tolist(), np.asarray(ref_rejected).tolist(), strict=True):
            before = self._seen.get(id)
            if before is None:
                if len(self._seen) < self.most:
                    self._seen[id] = (chosen, rejected)
                continue
            for old, new in zip(before, (chosen, rejected), strict=True):
                if not abs(new - old) <= self.tolerance * max(1.0, abs(old)):
                    found.append((id, old, new))
                    break
        return found

    def known(self, ids: Sequence[Hashable]) -> int:
        """How many of the pairs were seen before."""
        return sum(id in self._seen for id in ids)
