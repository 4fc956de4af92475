"""The records of the shelf: a wrong loss, and a right one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Right", "Sabotage", "collected", "right", "wrong"]

Loss = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Sabotage:
    """A wrong loss; calling it calls the loss.

    Args:
        name: what is wrong with it.
        loss: the loss.
        spec: the loss that it is meant to be.
        killed_by: the check that must refute it, without being told the specification; `same-value` where properties cannot.
        twin: the other right loss that it is a positive multiple of, up to an offset: then only the specification can tell.
        excuse: why properties cannot tell, where there is no twin.
    """

    name: str
    loss: Loss
    spec: Loss
    killed_by: str
    twin: Loss | None = None
    excuse: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.loss(*args, **kwargs)


@dataclass(frozen=True, eq=False)
class Right:
    """A correct loss in an unusual form; calling it calls the loss."""

    name: str
    loss: Loss
    spec: Loss

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.loss(*args, **kwargs)


def wrong(spec: Loss, killed_by: str, *, twin: Loss | None = None, excuse: str = "") -> Callable[[Loss], Sabotage]:
    """Turn a function into a Sabotage named after it."""
    return lambda loss: Sabotage(_spoken(loss), loss, spec, killed_by, twin, excuse)


def right(spec: Loss) -> Callable[[Loss], Right]:
    """Turn a function into a Right named after it."""
    return lambda loss: Right(_spoken(loss), loss, spec)


def collected(module: ModuleType, kind: type) -> tuple[Any, ...]:
    """The records of one kind in a module, in the order of its source."""
    return tuple(value for value in vars(module).values() if isinstance(value, kind))


def _spoken(loss: Loss) -> str:
    name = loss.__name__ if inspect.isfunction(loss) or inspect.isclass(loss) else type(loss).__name__
    return name.replace("_", " ").strip()
