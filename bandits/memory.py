"""The C library's freed memory."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["keep_freed_memory"]


@cache
def keep_freed_memory() -> None:
    """Have glibc keep up to 64 MB of freed memory for the next arrays, as it does after any program has freed 32 MB at once.

    Until then every temporary of more than 128 kB is fetched from the system and given back, page by page: a fifth of the time of a solve
    that takes a tenth of a second. The array is never touched, and elsewhere this does nothing.
    """
    np.empty(31 * 2**20, dtype=np.uint8)
