"""Which columns hold what: by the names that were given, or by the usual ones."""

from __future__ import annotations

from dataclasses import dataclass

from dpo_theory.fitting.names import listed

__all__ = ["Columns", "Layout", "find_layout"]

_KINDS = {
    "pairs": ("chosen", "rejected"),
    "sides": ("left", "right", "winner"),
    "long": ("group", "position", "item"),
}
_OPTIONAL = {"pairs": ("prompt", "weight"), "sides": ("prompt", "weight"), "long": ("prompt",), "wide": ("prompt", "weight")}
_EXPECTED = (
    "expected chosen and rejected, or left, right and winner, or group, position and item. Name the columns with options such as "
    "--chosen NAME, or the columns of a ranking, best first, with --wide FIRST,SECOND,..."
)


@dataclass(frozen=True)
class Columns:
    """Names given to columns by the caller; None where the usual name may serve."""

    prompt: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    left: str | None = None
    right: str | None = None
    winner: str | None = None
    group: str | None = None
    position: str | None = None
    item: str | None = None
    wide: tuple[str, ...] = ()
    weight: str | None = None


@dataclass(frozen=True)
class Layout:
    """A way to read rows.

    Args:
        kind: `pairs`, `sides`, `long` or `wide`.
        roles: what a column is for -> its name.
        wide: columns of a ranking, best first.
        unused: columns that are not read.
    """

    kind: str
    roles: dict[str, str]
    wide: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*self.roles.values(), *self.wide)


def find_layout(header: tuple[str, ...], columns: Columns, source: str) -> Layout:
    """The layout of a table with these columns.

    Raises:
        ValueError: a named column is missing or used twice, or the columns fit no layout, or several.

    >>> find_layout(("prompt", "chosen", "rejected", "id"), Columns(), "data.csv").unused
    ('id',)
    """
    given = {role: name for role, name in vars(columns).items() if role != "wide" and name is not None}
    for name in (*given.values(), *columns.wide):
        if name not in header:
            raise ValueError(f"{source} has no column {name!r}; its columns are {listed(header)}.")
    kind = _kind(header, columns, given, source)
    needed = _KINDS.get(kind, ())
    roles = {role: given.get(role, role) for role in needed}
    roles |= {role: given.get(role, role) for role in _OPTIONAL[kind] if given.get(role, role) in header}
    stray = sorted(set(given) - set(needed) - set(_OPTIONAL[kind]))
    if stray:
        raise ValueError(
            f"{source} is read as {kind}, which has no use for --{stray[0]} {given[stray[0]]}. Name the columns of one layout only."
        )
    used = (*roles.values(), *columns.wide)
    twice = next((name for name in used if used.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the column {twice!r} of {source} is named for two purposes. Each needs a column of its own.")
    return Layout(kind, roles, columns.wide, tuple(name for name in header if name not in used))


def _kind(header: tuple[str, ...], columns: Columns, given: dict[str, str], source: str) -> str:
    if columns.wide:
        if len(columns.wide) < 2:
            raise ValueError(f"--wide names {len(columns.wide)} column, expected two or more, best first.")
        return "wide"
    whole = [kind for kind, roles in _KINDS.items() if all(given.get(role, role) in header for role in roles)]
    named = [kind for kind in whole if any(role in given for role in _KINDS[kind])]
    found = named or whole
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"{source} has {_found(header)}; {_EXPECTED}")
    roles = " and as ".join(", ".join(_KINDS[kind]) for kind in found)
    raise ValueError(f"{source} can be read as {roles}. Name the columns of one of them, such as --{_KINDS[found[0]][0]} NAME.")


def _found(header: tuple[str, ...]) -> str:
    if not any(header):
        return "no named columns"
    mark = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), None)
    if mark is None:
        return f"the columns {listed(header)}"
    remedy = "name the file .tsv" if mark == "\t" else "write commas instead"
    return f"one column, {header[0]!r}, which looks like several between {mark!r} ({remedy})"
