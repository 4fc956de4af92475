"""Which studies there are: the files of `bandits/experiments`."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bandits.experiments.engine.plan import Study

__all__ = ["load", "names"]


def names() -> tuple[str, ...]:
    """Every study's name, in alphabetical order; none is imported.

    >>> "sample_size" in names()
    True
    """
    folder = Path(__file__).parents[1]
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


def load(name: str) -> Study:
    """The study of this name.

    Raises:
        ValueError: there is none; the message offers the nearest.

    >>> load("frontier").name
    'frontier'
    """
    if name not in names():
        near = difflib.get_close_matches(name.replace("-", "_"), names(), n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"The studies are {', '.join(names())}."
        raise ValueError(f"there is no study {name!r}. {hint}")
    study: Study = import_module(f"bandits.experiments.{name}").STUDY
    return study
