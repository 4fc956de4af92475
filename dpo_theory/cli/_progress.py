"""One line on a terminal that says how far a long run is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence

__all__ = ["Progress"]

PATIENCE = 2.0


class Progress:
    """Called after each row; silent off a terminal and during the first two seconds, and gone at the end.

    Args:
        stream: usually standard error.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._begun, self._drawn = stream, clock, clock(), 0

    def __call__(self, row: Evidence, done: int, of: int) -> None:
        """Show that `row` was the last of `done` rows, out of `of`."""
        self.show(f"{row.id} {row.verdict.value}", done, of)

    def show(self, last: str, done: int, of: int) -> None:
        """Show what was the last of `done` things, out of `of`."""
        spent = self._clock() - self._begun
        if spent >= PATIENCE and self._stream.isatty():
            line = f"{done} of {of}, {spent:.0f} s, {last}"
            self._stream.write("\r" + line.ljust(self._drawn))
            self._stream.flush()
            self._drawn = len(line)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
