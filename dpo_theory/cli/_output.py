"""Where a command's document goes, and in which format."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpo_theory.cli import _stream

__all__ = ["add_output_options", "check_output", "emit"]

SUFFIXES = {
    ".txt": "text", ".json": "json", ".xml": "junit", ".md": "markdown", ".html": "html", ".htm": "html", ".tex": "latex",
}  # fmt: skip


def add_output_options(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Give a command `--format` and `-o`.

    Args:
        parser: the command's.
        formats: those that its documents have; a document writes format `json` by its method `to_json`, and so on.
    """
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=formats, help="default: by the suffix of FILE, or text")
    known = ", ".join(suffix for suffix, name in SUFFIXES.items() if name in formats)
    group.add_argument("-o", "--output", metavar="FILE", help=f"write to FILE, whole or not at all ({known})")
    parser.set_defaults(formats=tuple(formats))


def check_output(args: argparse.Namespace) -> None:
    """Refuse, before anything runs, an output that could not be written.

    Raises:
        ValueError: the suffix names no format of this command, or the file cannot be written there.
    """
    _format(args)
    if args.output in (None, "-"):
        return
    path = Path(args.output)
    folder = path.resolve().parent
    if path.is_dir():
        raise ValueError(f"cannot write {args.output}: it is a folder. Name a file in it.")
    if not folder.is_dir():
        raise ValueError(f"cannot write {args.output}: there is no folder {folder}. Create it first.")
    if not os.access(path if _is_device(path) else folder, os.W_OK):
        raise ValueError(f"cannot write {args.output}: no permission to write in {folder}.")


def emit(document: Any, args: argparse.Namespace) -> None:
    """Write a document where, and in the format that, the options say.

    Args:
        document: has `to_text(width)` and one method `to_json`, `to_html`, ... for each format of the command.
        args: the parsed options of `add_output_options`.
    """
    form = _format(args)
    to_file = args.output not in (None, "-")
    if form == "text":
        terminal = not to_file and sys.stdout.isatty()
        text = document.to_text(shutil.get_terminal_size().columns if terminal else None)
    else:
        text = getattr(document, f"to_{form}")()
    if to_file:
        _write_file(Path(args.output), text)
        print(f"written to {args.output}", file=sys.stderr)
    else:
        _stream.write(text, plain=form != "text")


def _format(args: argparse.Namespace) -> str:
    if args.format is not None:
        return str(args.format)
    suffix = Path(args.output or "").suffix.lower()
    if not suffix:
        return "text"
    form = SUFFIXES.get(suffix)
    if form is None or form not in args.formats:
        raise ValueError(f"cannot tell a format from the suffix {suffix!r} of {args.output}. Pass --format {'|'.join(args.formats)}.")
    return form


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _write_file(path: Path, text: str) -> None:
    """Write through a temporary file beside the target, so that a reader sees the old content or the new, never a part."""
    data = text.encode("utf-8", "replace")
    path = path.resolve()
    if _is_device(path):
        path.write_bytes(data)
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
