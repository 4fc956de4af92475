"""One line on a terminal that says how far a sweep is, and when it will be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Countdown"]


class Countdown:
    """Called with (blocks done, blocks in all, blocks that were on the disk); silent off a terminal, and gone at the end.

    Args:
        name: of the study.
        stream: usually standard error.
        clock: seconds, monotonic.
    """

    def __init__(self, name: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._stream, self._clock, self._begun, self._drawn = name, stream, clock, clock(), 0
        self.done, self.of, self.kept = 0, 0, 0

    def __call__(self, done: int, of: int, kept: int) -> None:
        """Show it."""
        self.done, self.of, self.kept = done, of, kept
        if self._stream.isatty():
            spent, fresh = self._clock() - self._begun, done - kept
            left = f", about {_time(spent / fresh * (of - done))} left" if fresh and done < of else ""
            found = f" ({kept} found on disk)" if kept else ""
            line = f"{self._name}: {done} of {of} blocks{found}, {_time(spent)}{left}"
            self._stream.write("\r" + line.ljust(self._drawn))
            self._stream.flush()
            self._drawn = len(line)

    def __enter__(self) -> Countdown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
