"""A time limit that can stop pure Python and most of SymPy."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["TimeLimit", "time_limit", "work_limit"]


AGAIN = 1.0  # seconds between alarms: code with a bare `except` may swallow one


class TimeLimit(BaseException):
    """The time is up; no `except Exception` of the code that was stopped can swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit inside the block after so many seconds; an outer limit goes on counting.

    Without effect off the main thread or without SIGALRM.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        if not _swallows(frame):
            raise TimeLimit(f"stopped after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    began = time.monotonic()
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        if outer and outer < seconds:
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, outer, AGAIN)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - began), 1e-3), AGAIN)


@contextmanager
def work_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimit after so many seconds of this process's own work: a busy machine decides nothing.

    Not to be nested. Without effect off the main thread or without SIGVTALRM.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGVTALRM"):
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        if not _swallows(frame):
            raise TimeLimit(f"stopped after {seconds:g} s of work")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _swallows(frame: FrameType | None) -> bool:
    """Whether this is a finaliser or a callback of the garbage collector: what it raises is lost, so the next alarm will do."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
