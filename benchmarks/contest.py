"""Two or more ways to one answer, timed in turns."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["Contest", "Peer", "machine", "take_turns"]


@dataclass(frozen=True)
class Peer:
    """One of the others: median seconds, how often it ran, its largest error, and whether that is as small as was asked."""

    name: str
    seconds: float
    repeats: int
    error: float
    qualifies: bool = True


@dataclass(frozen=True)
class Contest:
    """The outcome of one workload.

    Args:
        name: the module's name.
        title: what is solved.
        seconds: ours, the median.
        repeats: how often ours ran.
        error: our largest error against the reference, in nats.
        certified: the distance to the optimum that our own certificate claims.
        peers: the others.
        kind: "faster" (the best qualified peer's time over ours), "slower" (ours over the peer's) or "limit" (seconds).
        floor: the ratio or the seconds to reach.
        goal: the ratio or the seconds to aim at.
        notes: what else was measured.
    """

    name: str
    title: str
    seconds: float
    repeats: int
    error: float
    certified: float
    peers: tuple[Peer, ...]
    kind: str
    floor: float
    goal: float | None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Peer | None:
        """The fastest peer that is as accurate as was asked."""
        return min((peer for peer in self.peers if peer.qualifies), key=lambda peer: peer.seconds, default=None)

    @property
    def figure(self) -> float:
        """What the floor is compared with."""
        if self.kind == "limit" or self.best is None:
            return self.seconds
        return self.best.seconds / self.seconds if self.kind == "faster" else self.seconds / self.best.seconds

    @property
    def reached(self) -> bool:
        return self.figure >= self.floor if self.kind == "faster" else self.figure <= self.floor

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "best": self.best.name if self.best else None, "figure": self.figure, "reached": self.reached}


def take_turns(sides: dict[str, Callable[[], Any]], repeats: dict[str, int]) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds and last result of each side; in every round each side that has a turn left runs once, in order.

    One more run of each side that is asked for more than one comes first and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, Any] = {}
    for name, side in sides.items():
        if repeats[name] > 1:
            results[name] = side()
    for turn in range(max(repeats.values())):
        for name, side in sides.items():
            if turn < repeats[name]:
                start = time.perf_counter()
                results[name] = side()
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}, results


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = {}
    for name in ("numpy", "scipy", "torch", "choix", "scikit-learn"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "load_at_start": load,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": packages,
    }
