"""How a loss is shown: the same in every process."""

from __future__ import annotations

import functools
import re
from typing import Any

__all__ = ["label"]


def label(loss: Any) -> str:
    """The name of a function, the first line of an object's repr: without memory addresses, and with the members of sets in order.

    >>> label(functools.partial(max, key={"b", "a"}))
    "max(key={'a', 'b'})"
    """
    if isinstance(loss, functools.partial):
        given = [*map(repr, loss.args), *(f"{name}={value!r}" for name, value in loss.keywords.items())]
        return f"{label(loss.func)}({_steady(', '.join(given))})"
    if not isinstance(loss, type) and not hasattr(loss, "__name__"):
        return _steady(repr(loss).partition("\n")[0].rstrip("( ")) or type(loss).__name__
    return str(loss.__name__)


def _steady(text: str) -> str:
    text = re.sub(r"<(?:[^<>]*[ .])?(\w+) object at 0x[0-9a-fA-F]+>", r"\1", text)
    text = re.sub(r"<(\w[\w ]*?) (?:[\w<>]+\.)*(\w+|<lambda>) at 0x[0-9a-fA-F]+>", r"\2", text)
    return re.sub(r"\{([^{}:]+)\}", lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", text)
