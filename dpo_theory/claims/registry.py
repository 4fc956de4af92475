"""Which claims there are: the files of this folder whose names begin with an id."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpo_theory.claims.claim import Claim

__all__ = ["UnknownClaim", "aliases", "ids", "load", "resolve"]

_FILE = re.compile(r"([dec])(\d+)([a-z]?)_\w+\.py")
_SECTIONS = "dec"


class UnknownClaim(ValueError):
    """No claim has this id or alias."""


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    found = {}
    for path in Path(__file__).parent.glob("*.py"):
        match = _FILE.fullmatch(path.name)
        if match:
            section, number, letter = match.groups()
            key = (_SECTIONS.index(section), int(number), letter)
            found[key] = (f"{section.upper()}{number}{letter}", path)
    return {id: path for _, (id, path) in sorted(found.items())}


def ids() -> tuple[str, ...]:
    """Every id, in the order of the paper; no claim is imported.

    >>> ids()[0]
    'D01'
    """
    return tuple(_files())


@lru_cache(maxsize=1)
def aliases() -> dict[str, str]:
    """alias in lower case -> id, read from the sources without importing them."""
    found = {}
    for id, path in _files().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "aliases":
                found.update({alias.lower(): id for alias in ast.literal_eval(node.value)})
    return found


def resolve(names: Sequence[str]) -> tuple[str, ...]:
    """The ids that the names mean, each once, in the order given.

    Raises:
        UnknownClaim: a name is neither an id nor an alias; the message offers the nearest.

    >>> resolve(["eq4", "d04"])
    ('D04',)
    """
    by_lower = {id.lower(): id for id in ids()}
    chosen = []
    for name in names:
        id = by_lower.get(_padded(name.lower())) or aliases().get(name.lower())
        if id is None:
            known = [*by_lower, *aliases()]
            near = [by_lower.get(n, n) for n in difflib.get_close_matches(name.lower(), known, n=3)]
            hint = f"Did you mean {', '.join(near)}?" if near else "`dpo-theory verify --list` lists every id and alias."
            raise UnknownClaim(f"no claim is called {name!r}. {hint}")
        chosen.append(id)
    return tuple(dict.fromkeys(chosen))


def _padded(name: str) -> str:
    """`d4` as `d04`: the paper's claims have two digits."""
    match = re.fullmatch(r"d(\d)([a-z]?)", name)
    return f"d0{match[1]}{match[2]}" if match else name


def load(id: str) -> Claim:
    """The claim with this id."""
    path = _files().get(id)
    if path is None:
        raise UnknownClaim(f"no claim has the id {id!r}")
    claim: Claim = import_module(f"dpo_theory.claims.{path.stem}").CLAIM
    if claim.id != id:
        raise ValueError(f"{path.name} holds the claim {claim.id}, expected {id}: rename the file")
    return claim
