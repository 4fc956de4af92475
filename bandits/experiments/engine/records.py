"""Records: flat rows of numbers and words, in the order of the plan, and the columns that figures are drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array

__all__ = ["Group", "Records", "plain", "unplain"]

_AS_IS = frozenset({int, str, bool, type(None)})
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Group(NamedTuple):
    """Records that share the values `key`: how many have a number, its mean, and the mean's standard error (NaN for one)."""

    key: tuple[Any, ...]
    size: int
    mean: float
    error: float


@dataclass(frozen=True, eq=False)
class Records:
    """What a sweep measured.

    Args:
        header: the plan's header.
        rows: one dict per record, in the order of the plan.

    >>> records = Records({"study": "toy"}, ({"n": 1, "gain": 2.0}, {"n": 1, "gain": 4.0}, {"n": 2, "gain": None}))
    >>> records.where(n=1).column("gain")
    array([2., 4.])
    >>> records.means("gain", "n")[0]
    Group(key=(1,), size=2, mean=3.0, error=1.0)
    """

    header: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.header["study"])

    @property
    def names(self) -> tuple[str, ...]:
        """Every column, in order of appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    @cached_property
    def _columns(self) -> dict[str, Array]:
        return {}

    def column(self, name: str) -> Array:
        """(N,) floats, None as NaN, where the column holds numbers; objects otherwise.

        Raises:
            ValueError: no record has such a field.
        """
        if name not in self._columns:
            values = [row.get(name) for row in self.rows]
            if self.rows and not any(name in row for row in self.rows):
                raise ValueError(f"the records of {self.header.get('study')} have no field {name!r}; they have {', '.join(self.names)}.")
            if all(value is None or isinstance(value, int | float) for value in values):
                self._columns[name] = np.array([np.nan if value is None else value for value in values], dtype=float)
            else:
                found = np.empty(len(values), dtype=object)
                found[:] = values
                self._columns[name] = found
        return self._columns[name]

    def values(self, name: str) -> tuple[Any, ...]:
        """The different values of a column, in order of appearance, lists as tuples; rows without it are passed over."""
        found = (row[name] for row in self.rows if name in row)
        return tuple(dict.fromkeys(tuple(value) if isinstance(value, list) else value for value in found))

    def where(self, **equal: Any) -> Records:
        """The records whose fields have these values; a tuple or list admits each of its entries."""
        wanted = {name: value if isinstance(value, tuple | list) else (value,) for name, value in equal.items()}
        kept = tuple(row for row in self.rows if all(name in row and row[name] in among for name, among in wanted.items()))
        return Records(self.header, kept)

    def means(self, name: str, *by: str) -> tuple[Group, ...]:
        """Mean and standard error of a column for every combination of the columns `by`; records without the number do not count."""
        numbers: dict[tuple[Any, ...], list[float]] = {}
        for row in self.rows:
            if all(column in row for column in by) and name in row:
                numbers.setdefault(tuple(row[column] for column in by), []).append(math.nan if row[name] is None else float(row[name]))
        return tuple(_group(key, np.array(found)) for key, found in numbers.items())

    def to_csv(self) -> str:
        """The records as CSV text, one line each; a missing number is an empty cell."""
        import csv
        import io

        text = io.StringIO()
        writer = csv.DictWriter(text, self.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def plain(value: Any) -> Any:
    """A value as JSON has it: lists for tuples and arrays, words for numbers that are not finite.

    Raises:
        ValueError: it is none of: number, string, bool, None, list or dict of them.

    >>> plain((1, np.float64(2.5), np.inf))
    [1, 2.5, 'inf']
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind in _AS_IS:
        return value
    if kind is dict:
        return {name if type(name) is str else str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list | range):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return plain(float(value) if isinstance(value, float) else int(value))
    raise ValueError(f"a record holds {value!r} ({kind.__name__}), expected numbers, strings, None, or lists of them.")


def unplain(value: Any) -> Any:
    """The inverse of `plain`, but that arrays stay lists."""
    kind = type(value)
    if kind is str:
        return _NOT_FINITE.get(value, value)
    if kind is list:
        return [unplain(item) for item in value]
    if kind is dict:
        return {name: unplain(item) for name, item in value.items()}
    return value


def _group(key: tuple[Any, ...], numbers: Array) -> Group:
    kept = numbers[~np.isnan(numbers)]
    if len(kept) == 0:
        return Group(key, 0, math.nan, math.nan)
    with np.errstate(invalid="ignore"):
        error = float(kept.std(ddof=1) / np.sqrt(len(kept))) if len(kept) > 1 else math.nan
    return Group(key, len(kept), float(kept.mean()), error)
