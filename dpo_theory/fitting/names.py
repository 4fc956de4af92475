"""Names as a reader can see them: whole where they are short and plain, cut or escaped where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["alike", "listed", "shown"]

_LONGEST = 60
_LISTED = 10


def shown(name: str) -> str:
    """A name on one line: escaped where it is empty, padded with spaces or not printable, cut where it is long.

    >>> shown("Boston"), shown(" b"), shown("two\\nlines")
    ('Boston', "' b'", "'two\\\\nlines'")
    """
    cut = name if len(name) <= _LONGEST else name[: _LONGEST - 1]
    plain = cut if cut.isprintable() and cut and cut == cut.strip() else repr(cut)
    return plain if cut == name else f"{plain}…"


def listed(names: Sequence[str], limit: int = _LISTED) -> str:
    """The names, or the first of them and how many more there are.

    >>> listed(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    more = len(names) - limit
    kept = names if more <= 1 else names[:limit]
    return ", ".join(map(shown, kept)) + ("" if more <= 1 else f" and {more} more")


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that differ only in spaces around them or in capitals; None if there are none.

    >>> alike(["Boston", "Detroit", "boston "])
    ('Boston', 'boston ')
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.strip().casefold(), name)
        if other != name:
            return other, name
    return None
