"""Standard output as it is found: any encoding, a reader that may leave, a terminal or a pipe."""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["discard_output", "quiet_when_the_reader_leaves", "stand_in_for_a_closed_stream", "survive_encoding", "write"]

_SPELLED = {
    **{"≥": ">=", "≤": "<=", "≠": "!=", "≪": "<<", "→": "->", "·": "*", "×": "x", "∞": "inf", "∑": "sum", "√": "sqrt"},
    **{"−": "-", "–": "-", "—": "-", "…": "...", "‖": "||", "’": "'", "‘": "'", "“": '"', "”": '"'},
}
_STYLES = (
    (r"\bNOT AS EXPECTED\b|\bINCOMPLETE\b|^FAIL\b", "bold red"),
    (r"\b(PROVED|CERTIFIED|HOLDS)\b", "green"),
    (r"\b(REFUTED|UNDECIDED)\b", "yellow"),
    (r"\b(SKIPPED|NOT_APPLICABLE)\b", "dim"),
)


def stand_in_for_a_closed_stream() -> None:
    """Where standard output or error was closed before the start, what is written to it goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it stays open as long as the process)


def survive_encoding(*streams: TextIO) -> None:
    """From here on a stream spells a symbol that its encoding lacks, such as `beta` or `>=`, rather than fail."""
    codecs.register_error("dpo-theory-spell", _spell)
    for stream in streams:
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="dpo-theory-spell")


@contextmanager
def quiet_when_the_reader_leaves() -> Iterator[None]:
    """A closed pipe, as after `| head`, is no error: what is left to write goes nowhere."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()


def write(text: str, *, plain: bool = False) -> None:
    """Write to standard output: in colour on a terminal, unless it is to be plain or NO_COLOR is set; as it is otherwise."""
    try:
        if sys.stdout.isatty() and not plain and not os.environ.get("NO_COLOR"):
            _coloured(text)
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """What is still to be written to standard output goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _coloured(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    styled = Text(text, end="")
    for pattern, style in _STYLES:
        styled.highlight_regex(re.compile(pattern, re.M), style)
    Console(file=sys.stdout, highlight=False, markup=False, emoji=False).print(styled, soft_wrap=True, end="")


def _spell(error: Any) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(symbol: str) -> str:
    if symbol in _SPELLED:
        return _SPELLED[symbol]
    match unicodedata.name(symbol, "").split():
        case ["GREEK", "SMALL", "LETTER", letter]:
            return letter.lower()
        case ["GREEK", "CAPITAL", "LETTER", letter]:
            return letter.capitalize()
    return "".join(c for c in unicodedata.normalize("NFD", symbol) if c.isascii()) or "?"
