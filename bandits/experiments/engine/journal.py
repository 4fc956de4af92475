"""A sweep's file: a header, then one JSON line for each record, appended block by block so that nothing done is lost.

A block is one write in append mode, synced to the disk. A process that dies in a write leaves a last block that is cut off; it is
recognised and removed. Whatever else is wrong with the file is reported with the line's number, and never repaired by guessing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bandits.experiments.engine.plan import SCHEMA, SCHEMA_VERSION
from bandits.experiments.engine.records import Records, unplain

__all__ = ["Journal", "read_records"]

_ENCODE = json.JSONEncoder(allow_nan=False, check_circular=False).encode
_REMEDIES = {
    "read": "Check the name.",
    "make the folder": "Use another directory.",
    "write": "Blocks already written are kept; free space, or use another directory.",
}
_OURS = ("block", "record", "of")


class Journal:
    """The open file of one sweep.

    Args:
        directory: where it lies; made if it is not there.
        header: the plan's header.

    Raises:
        ValueError: the file is of another plan or schema, another sweep is writing it, or a line of it is damaged.
        OSError: it cannot be written.
    """

    def __init__(self, directory: str | Path, header: Mapping[str, Any]) -> None:
        self.path = path_of(directory, str(header["study"]))
        self._header = dict(header)
        self._blocks: dict[int, list[dict[str, Any]]] = {}
        self._file = -1
        with _explained(Path(directory), "make the folder"):
            Path(directory).mkdir(parents=True, exist_ok=True)
        with _explained(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            self._lock()
            self._resume()
        except BaseException:
            self.close()
            raise

    @property
    def done(self) -> frozenset[int]:
        """The blocks that are on the disk."""
        return frozenset(self._blocks)

    def append(self, block: int, records: Iterable[Mapping[str, Any]]) -> None:
        """Write the records of a block, as `run_block` returns them, whole or not at all.

        Raises:
            OSError: the disk is full or gone; the blocks written before are kept.
        """
        rows = list(records)
        lines = [_ENCODE({"block": block, "record": i, "of": len(rows), **row}) for i, row in enumerate(rows)]
        self._write("\n".join(lines) + "\n")
        self._blocks[block] = [unplain(row) for row in rows]

    def records(self) -> Records:
        """Every record, in the order of the plan."""
        return _in_order(self._header, self._blocks)

    def close(self) -> None:
        """Let others write."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"another sweep is writing {self.path}. Wait for it, or use another directory.") from None

    def _resume(self) -> None:
        header, self._blocks, kept = _read(self.path)
        if header is None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            self._write(json.dumps(self._header, allow_nan=False) + "\n")
            _sync_folder(self.path.parent)
            return
        if header.get("fingerprint") != self._header["fingerprint"]:
            raise ValueError(
                f"{self.path} holds the records of another plan: {_difference(header, self._header)}. "
                "Use another directory, or run with the values that it was begun with."
            )
        if kept < os.fstat(self._file).st_size:
            os.ftruncate(self._file, kept)
            os.fsync(self._file)

    def _write(self, text: str) -> None:
        data = text.encode()
        before = os.fstat(self._file).st_size
        with _explained(self.path):
            try:
                if os.write(self._file, data) < len(data):
                    raise OSError(28, "No space left on device")
                os.fsync(self._file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, before)
                raise


def path_of(directory: str | Path, study: str) -> Path:
    """Where a study's records lie in a directory."""
    return Path(directory) / f"{study}.jsonl"


def read_records(path: str | Path) -> Records:
    """The records of a file, complete or not; the file is only read.

    Raises:
        ValueError: it is not such a file, or a line in its middle is damaged.
        OSError: it cannot be read.
    """
    path = Path(path)
    with _explained(path, "read"):
        header, blocks, _ = _read(path)
    if header is None:
        raise ValueError(f"{path} has no header: no sweep has begun there.")
    return _in_order(header, blocks)


def _in_order(header: Mapping[str, Any], blocks: Mapping[int, list[dict[str, Any]]]) -> Records:
    return Records({**header, "blocks_done": len(blocks)}, tuple(row for block in sorted(blocks) for row in blocks[block]))


def _read(path: Path) -> tuple[dict[str, Any] | None, dict[int, list[dict[str, Any]]], int]:
    """The header (None in an empty file), the complete blocks, and how many bytes of the file they take."""
    data = path.read_bytes() if path.is_file() else b""
    lines = data.split(b"\n")
    cut = lines.pop()  # empty where the last line is whole
    if not lines:
        return None, {}, 0
    header = _header(path, lines[0])
    blocks: dict[int, list[dict[str, Any]]] = {}
    at = kept = len(lines[0]) + 1
    open_block: int | None = None
    for number, line in enumerate(lines[1:], start=2):
        last = number == len(lines) and not cut
        row = _row(line)
        if row is None:
            if last:
                break
            raise _damaged(path, number, "it is not a record")
        block, record, of = (row.pop(name) for name in _OURS)
        fits = record == 0 and block not in blocks if open_block is None else block == open_block and record == len(blocks[block])
        if not (fits and record < of and block < header["blocks"]):
            raise _damaged(path, number, f"record {record} of block {block} is out of place")
        blocks.setdefault(block, []).append(unplain(row))
        at += len(line) + 1
        open_block = None if record + 1 == of else block
        kept = at if open_block is None else kept
    if open_block is not None:
        del blocks[open_block]
    return header, blocks, kept


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("schema") != SCHEMA or "study" not in header or "fingerprint" not in header:
        raise ValueError(f"line 1 of {path} is not the header of a sweep. Use another directory; the file is left as it is.")
    if header.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema version {header.get('schema_version')}, expected {SCHEMA_VERSION}. Read it with the release that wrote it."
        )
    return header


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and all(type(row.get(name)) is int and row[name] >= 0 for name in _OURS)
    return row if whole else None


def _damaged(path: Path, number: int, what: str) -> ValueError:
    return ValueError(
        f"line {number} of {path} is damaged: {what}. Restore the file, or keep its first {number - 1} lines "
        f"(head -n {number - 1}): the sweep measures the rest again."
    )


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    for name in new:
        if name not in ("fingerprint", "blocks") and old.get(name) != new[name]:
            left, right = old.get(name), new[name]
            if isinstance(left, dict) and isinstance(right, dict):
                inner = next(key for key in {**left, **right} if left.get(key) != right.get(key))
                return f"{name} {inner} is {left.get(inner)!r} there and {right.get(inner)!r} here"
            return f"{name} is {left!r} there and {right!r} here"
    return "its fingerprint differs"


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _explained(path: Path, verb: str = "write") -> Iterator[None]:
    """Turns an OSError into one that says what cannot be done and what to do about it."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot {verb} {path}: {error.strerror or error}. {_REMEDIES[verb]}") from None
