"""Rows of a file or table, a chunk at a time, each with the line on which it begins."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bandits.door import Array

__all__ = ["Chunk", "Table", "numbers", "open_table", "refuse"]

CHUNK = 1 << 16


class Chunk(NamedTuple):
    """Some rows: the wanted columns as text, and the lines on which the rows begin."""

    columns: dict[str, Sequence[str]]
    lines: Sequence[int]

    def line(self, row: int) -> int:
        """The line, from 1, on which a row begins."""
        return int(self.lines[row])


@dataclass(frozen=True)
class Table:
    """A source of rows.

    Args:
        name: for messages.
        unit: `line` of a file or `row` of a table.
        header: the columns.
        chunks: the rows, given the wanted columns.
    """

    name: str
    unit: str
    header: tuple[str, ...]
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]


def refuse(table: Table, line: int, found: str, remedy: str) -> ValueError:
    """The refusal of a row: where it is, what was found there, and what to do."""
    return ValueError(f"{table.name}, {table.unit} {line}: {found}. {remedy}")


def numbers(table: Table, chunk: Chunk, column: str) -> Array:
    """(N,) a column as finite numbers.

    Raises:
        ValueError: an entry is no finite number; the message names its line.
    """
    texts = chunk.columns[column]
    try:
        found = np.array(texts, dtype=np.float64)
    except ValueError:
        found = np.array([_number(text) for text in texts])
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found))[0])
        raise refuse(table, chunk.line(row), f"{column} is {texts[row]!r}", "Write a finite number.")
    return found


def open_table(source: Any) -> Table:
    """A Table over a CSV or JSON lines file, a pandas or Arrow table, or a mapping of columns.

    Raises:
        ValueError: the file cannot be read, is empty, or is of another kind.
    """
    if not isinstance(source, (str, Path)):
        return _in_memory(source)
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'not there'}. Name a CSV or JSON lines file.")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json"):
        raise ValueError(f"{path.name} has the suffix {suffix!r}, expected .csv, .tsv or .jsonl. Rename or convert the file.")
    try:
        return _json_lines(path) if "json" in suffix else _csv(path, "\t" if suffix == ".tsv" else ",")
    except UnicodeDecodeError:
        raise _undecodable(path) from None


def _csv(path: Path, delimiter: str) -> Table:
    def records() -> Iterator[tuple[int, list[str]]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            begun = 1
            try:
                for record in reader:
                    yield begun, record
                    begun = reader.line_num + 1
            except csv.Error as error:
                raise ValueError(f"{path.name}, line {begun}: {error}. Look for a quote that is not closed, or a file cut short.") from None

    first = next(((line, record) for line, record in records() if record), None)
    if first is None:
        raise ValueError(f"{path.name} is empty. It needs a line of column names and the rows under it.")
    header = tuple(first[1])
    _check_header(header, path.name)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        places = [header.index(name) for name in wanted]
        rows = itertools.dropwhile(lambda row: row[0] <= first[0], records())
        try:
            while batch := list(itertools.islice(rows, CHUNK)):
                lines, values = zip(*batch, strict=True)
                if set(map(len, values)) != {len(header)}:
                    _refuse_ragged(path, header, batch)
                columns = list(zip(*values, strict=True))
                yield Chunk({name: columns[place] for name, place in zip(wanted, places, strict=True)}, lines)
        except UnicodeDecodeError:
            raise _undecodable(path) from None

    return Table(path.name, "line", header, chunks)


def _refuse_ragged(path: Path, header: tuple[str, ...], batch: list[tuple[int, list[str]]]) -> None:
    line, record = next((line, record) for line, record in batch if len(record) != len(header))
    if not record:
        raise ValueError(f"{path.name}, line {line}: the line is blank. Remove it.")
    with path.open("rb") as file:
        cut = not any(True for _ in itertools.islice(file, line, None))
    remedy = "It is the last line: the file may be cut short." if cut else "Quote a field that holds the delimiter."
    raise ValueError(f"{path.name}, line {line}: {len(record)} fields, expected {len(header)} as in the first line. {remedy}")


def _json_lines(path: Path) -> Table:
    def records() -> Iterator[tuple[int, dict[str, Any]]]:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                try:
                    record = json.loads(text)
                except json.JSONDecodeError as error:
                    found = "the line is blank" if not text.strip() else f"this is not JSON ({error.msg}, column {error.colno})"
                    remedy = "Remove it." if not text.strip() else "Write one whole object on each line."
                    raise ValueError(f"{path.name}, line {line}: {found}. {remedy}") from None
                if not isinstance(record, dict):
                    kind = type(record).__name__
                    raise ValueError(f"{path.name}, line {line}: a {kind}, expected an object. Write one whole object on each line.")
                yield line, record

    first = next(records(), None)
    if first is None:
        raise ValueError(f"{path.name} is empty. It needs one JSON object on each line.")
    header = tuple(first[1])

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        rows = records()
        try:
            while batch := list(itertools.islice(rows, CHUNK)):
                for line, record in batch:
                    missing = next((name for name in wanted if name not in record), None)
                    if missing is not None:
                        raise ValueError(
                            f"{path.name}, line {line}: the object has no {missing!r}; it has {', '.join(record)}. Every row needs it."
                        )
                yield Chunk({name: [_text(record[name]) for _, record in batch] for name in wanted}, [line for line, _ in batch])
        except UnicodeDecodeError:
            raise _undecodable(path) from None

    return Table(path.name, "line", header, chunks)


def _in_memory(source: Any) -> Table:
    if hasattr(source, "to_pydict") and hasattr(source, "column_names"):
        header = tuple(source.column_names)
        length, column = source.num_rows, lambda name, rows: source.column(name).slice(rows.start, rows.stop - rows.start).to_pylist()
    elif hasattr(source, "columns") and hasattr(source, "iloc"):
        header = tuple(str(name) for name in source.columns)
        length, column = len(source), lambda name, rows: source[name].iloc[rows].tolist()
    elif isinstance(source, Mapping):
        header = tuple(source)
        lengths = {len(values) for values in source.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns have lengths {sorted(lengths)}, expected one length.")
        length, column = next(iter(lengths), 0), lambda name, rows: list(source[name][rows])
    else:
        raise ValueError(
            f"the source is {type(source).__name__}, expected the name of a file, a pandas or Arrow table, or a mapping of columns."
        )
    _check_header(header, "the table")
    if length == 0:
        raise ValueError("the table is empty. It needs at least one row.")

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        for start in range(0, length, CHUNK):
            rows = slice(start, min(start + CHUNK, length))
            yield Chunk({name: [_text(value) for value in column(name, rows)] for name in wanted}, range(rows.start + 1, rows.stop + 1))

    return Table("the table", "row", header, chunks)


def _check_header(header: tuple[str, ...], name: str) -> None:
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise ValueError(f"{name} has two columns named {twice!r}. Rename one of them.")


def _text(value: Any) -> str:
    """A value as text; missing values become empty, which every column refuses."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and value != value):
        return "" if value is None else "nan"
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _undecodable(path: Path) -> ValueError:
    with path.open("rb") as file:
        for line, data in enumerate(file, start=1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = data[error.start]
                return ValueError(
                    f"{path.name}, line {line}: byte 0x{byte:02x} is not UTF-8. Convert the file, for example with "
                    f"`iconv -f LATIN1 -t UTF-8 {path.name}`."
                )
    return ValueError(f"{path.name} is not UTF-8. Convert the file.")
