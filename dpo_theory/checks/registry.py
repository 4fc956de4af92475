"""Which checks there are: the files of this folder that hold a `CHECK`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpo_theory.checks.check import Check

__all__ = ["DECLARED", "UnknownCheck", "load", "names", "require"]

DECLARED = ("batch-coupled", "surrogate-gradient")  # not checks: they say how a loss is to be checked
_RECORD = re.compile(r"^CHECK = Check\(\s*code=\"([CP]\d+)\",\s*name=\"([\w-]+)\"", re.M)


class UnknownCheck(ValueError):
    """No check has this name."""


@lru_cache(maxsize=1)
def _files() -> dict[str, str]:
    found = []
    for path in Path(__file__).parent.glob("*.py"):
        match = _RECORD.search(path.read_text(encoding="utf-8"))
        if match:
            found.append((match[1], match[2], path.stem))
    return {name: stem for _, name, stem in sorted(found)}


def names() -> tuple[str, ...]:
    """Every check's name: the contract, then the properties.

    >>> names()[0]
    'returns-losses'
    """
    return tuple(_files())


def load(name: str) -> Check:
    """The check with this name."""
    require([name])
    check: Check = import_module(f"dpo_theory.checks.{_files()[name]}").CHECK
    return check


def require(wanted: Iterable[str], what: str = "check") -> None:
    """Refuse a name that is no check.

    Raises:
        UnknownCheck: with the nearest names.
    """
    for name in wanted:
        if name not in _files() and not (what == "property" and name in DECLARED):
            near = difflib.get_close_matches(name, names(), n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else f"The checks are {', '.join(names())}."
            raise UnknownCheck(f"no {what} is called {name!r}. {hint}")
