"""Tables from CSV files, JSON lines files, pandas and Arrow tables, and mappings of columns."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpo_theory.fitting.table import CHUNK, Chunk, Table, refuse, require_header

__all__ = ["open_table"]

_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")


def open_table(source: Any) -> Table:
    """A Table over a CSV or JSON lines file, a pandas or Arrow table, or a mapping of columns.

    Raises:
        ValueError: the file cannot be read, is empty, or is of another kind.

    >>> open_table({"chosen": ["a"], "rejected": ["b"]}).header
    ('chosen', 'rejected')
    """
    if not isinstance(source, (str, Path)):
        return _in_memory(source)
    path = Path(source)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file, and is read more than once" if path.exists() else "not there"
        raise ValueError(f"{path} is {what}. Name a CSV or JSON lines file.")
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"{path.name} has the suffix {suffix!r}, expected .csv, .tsv or .jsonl. Rename or convert the file.")
    return _json_lines(path) if "json" in suffix else _csv(path, "\t" if suffix == ".tsv" else ",")


def _csv(path: Path, delimiter: str) -> Table:
    def records() -> Iterator[list[str]]:
        """The records; what csv or the decoder refuses is refused with its line."""
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                yield from reader
            except csv.Error as error:
                long = " Longer texts can be read from JSON lines." if "limit" in str(error) else ""
                remedy = f"Look for a quote that is not closed, or a file cut short.{long}"
                raise ValueError(f"{path.name}, line {reader.line_num}: {error}. {remedy}") from None
            except UnicodeDecodeError:
                raise _undecodable(path) from None

    def lines() -> Iterator[tuple[int, list[str]]]:
        """The records, each with the line on which it begins."""
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader, begun = csv.reader(file, delimiter=delimiter, strict=True), 1
            for record in reader:
                yield begun, record
                begun = reader.line_num + 1

    header = next((record for record in records() if record), None)
    if header is None:
        raise ValueError(f"{path.name} is empty. It needs a line of column names and the rows under it.")
    if any("\0" in name for name in header):
        raise ValueError(f"{path.name} holds zero bytes: it is no text file. Name a CSV or JSON lines file.")

    def line_of(row: int) -> int:
        filled = (line for line, record in lines() if record)
        return next(itertools.islice(filled, row + 1, None))

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        places, width = [header.index(name) for name in wanted], len(header)
        joined: list[tuple[int, str]] = []
        rows, blank, start = itertools.dropwhile(lambda record: not record, records()), 0, 0
        next(rows)
        while batch := list(itertools.islice(rows, CHUNK)):
            if set(map(len, batch)) != {width}:
                blank += sum(not record for record in batch)
                batch = [record for record in batch if record]
                batch = [_whole(path, table, start + row, record, delimiter, joined) for row, record in enumerate(batch)]
            columns = [[record[place] for record in batch] for place in places]
            yield Chunk(dict(zip(wanted, columns, strict=True)), start, len(batch))
            start += len(batch)
        _remark_blank(table, blank)
        if joined:
            more = f" So have {len(joined) - 1} more." if len(joined) > 1 else ""
            first = f"Line {line_of(joined[0][0])} has a delimiter inside its last column"
            table.remarks.append(f"{first}, which was read as {joined[0][1]!r}.{more}")

    table = Table(path.name, "line", require_header(header, path.name), chunks, line_of)
    return table


def _whole(path: Path, table: Table, row: int, record: list[str], delimiter: str, joined: list[tuple[int, str]]) -> list[str]:
    """A record of the right length; a delimiter followed by a space, in the last column, belongs to the text there."""
    width = len(table.header)
    if len(record) == width:
        return record
    if len(record) > width and all(part.startswith(" ") for part in record[width:]):
        last = delimiter.join(record[width - 1 :])
        joined.append((row, last))
        return [*record[: width - 1], last]
    line = table.line_of(row)
    with path.open("rb") as file:
        cut = not any(True for _ in itertools.islice(file, line, None))
    remedy = "It is the last line: the file may be cut short." if cut else "Quote a field that holds the delimiter."
    raise refuse(table, row, f"{len(record)} fields, expected {width} as in the first line", remedy)


def _remark_blank(table: Table, blank: int) -> None:
    if blank:
        table.remarks.append(f"{blank} blank {'line was' if blank == 1 else 'lines were'} passed over.")


def _json_lines(path: Path) -> Table:
    def lines() -> Iterator[tuple[int, str]]:
        with path.open(encoding="utf-8-sig") as file:
            try:
                yield from enumerate(file, start=1)
            except UnicodeDecodeError:
                raise _undecodable(path) from None

    first = next((_object(path, line, text) for line, text in lines() if text.strip()), None)
    if first is None:
        raise ValueError(f"{path.name} is empty. It needs one JSON object on each line.")

    def line_of(row: int) -> int:
        return next(itertools.islice((line for line, text in lines() if text.strip()), row, None))

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        rows, start, blank = lines(), 0, 0
        while batch := list(itertools.islice(rows, CHUNK)):
            filled = [(line, text) for line, text in batch if text.strip()]
            blank += len(batch) - len(filled)
            records = [_object(path, line, text) for line, text in filled]
            for row, record in enumerate(records):
                missing = next((name for name in wanted if name not in record), None)
                if missing is not None:
                    has = ", ".join(record) or "nothing"
                    raise refuse(table, start + row, f"the object has no {missing!r}; it has {has}", "Every row needs it.")
            yield Chunk({name: [_text(record[name]) for record in records] for name in wanted}, start, len(records))
            start += len(records)
        _remark_blank(table, blank)

    table = Table(path.name, "line", tuple(first), chunks, line_of)
    return table


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        remedy = "Write one whole object on each line." if text.endswith("\n") else "The file may be cut short."
        raise ValueError(f"{path.name}, line {line}: this is not JSON ({error.msg}, column {error.colno}). {remedy}") from None
    except RecursionError:
        raise ValueError(f"{path.name}, line {line}: the value is nested too deeply. Write one plain object on each line.") from None
    except ValueError as error:
        raise ValueError(f"{path.name}, line {line}: {error}.") from None
    if not isinstance(record, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(record), "a number or truth value")
        raise ValueError(f"{path.name}, line {line}: {kind}, expected an object. Write one whole object on each line.")
    return record


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in an object. Keep one of them")
    return record


def _in_memory(source: Any) -> Table:
    if hasattr(source, "to_pydict") and hasattr(source, "column_names"):
        header, length = list(source.column_names), source.num_rows

        def column(name: str, rows: slice) -> list[Any]:
            return source.column(name).slice(rows.start, rows.stop - rows.start).to_pylist()

    elif hasattr(source, "columns") and hasattr(source, "iloc"):
        header, length = [str(name) for name in source.columns], len(source)

        def column(name: str, rows: slice) -> list[Any]:
            return source[name].iloc[rows].tolist()

    elif isinstance(source, Mapping):
        header, lengths = list(source), {len(values) for values in source.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns have lengths {sorted(lengths)}, expected one length.")
        length = next(iter(lengths), 0)

        def column(name: str, rows: slice) -> list[Any]:
            return list(source[name][rows])

    else:
        raise ValueError(
            f"the source is {type(source).__name__}, expected the name of a file, a pandas or Arrow table, or a mapping of columns."
        )
    if length == 0:
        raise ValueError("the table is empty. It needs at least one row.")

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        for start in range(0, length, CHUNK):
            rows = slice(start, min(start + CHUNK, length))
            columns = {name: [_text(value) for value in column(name, rows)] for name in wanted}
            yield Chunk(columns, start, rows.stop - start)

    return Table("the table", "row", require_header(header, "the table"), chunks, lambda row: row + 1)


def _text(value: Any) -> str:
    """A value as text; a missing one becomes empty, which every column refuses."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def _undecodable(path: Path) -> ValueError:
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            remedy = f"Convert the file, for example with `iconv -f UTF-16 -t UTF-8 {path.name}`"
            return ValueError(f"{path.name}, line 1: this is UTF-16, expected UTF-8. {remedy}.")
        if b"\0" in head:
            return ValueError(f"{path.name} holds zero bytes: it is no text file. Name a CSV or JSON lines file.")
        file.seek(0)
        for line, data in enumerate(file, start=1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                return ValueError(
                    f"{path.name}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8. Convert the file, for example with "
                    f"`iconv -f LATIN1 -t UTF-8 {path.name}`."
                )
    return ValueError(f"{path.name} is not UTF-8. Convert the file.")
