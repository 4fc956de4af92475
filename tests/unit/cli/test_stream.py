import io
import re
import sys

import pytest

from dpo_theory.cli import _stream, main


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_gets_colour_and_its_own_width(theory, terminal, columns):
    stream = terminal(columns)
    assert main(["verify"]) == 1
    told = stream.getvalue()
    assert "\x1b[" in told
    table = told.split("FAIL  D09")[0]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", table)
    assert max(map(len, plain.splitlines())) <= columns
    for row in theory.report.rows:
        assert row.id in plain


def test_no_color_is_honoured(theory, terminal, monkeypatch):
    stream = terminal(80)
    monkeypatch.setenv("NO_COLOR", "1")
    main(["verify"])
    assert "\x1b" not in stream.getvalue()
    assert "NOT AS EXPECTED" in stream.getvalue()


def test_formats_for_machines_are_never_coloured(theory, terminal):
    stream = terminal(80)
    main(["verify", "--format", "json"])
    assert "\x1b" not in stream.getvalue()


def test_a_pipe_gets_no_colour_and_no_narrow_lines(theory, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    main(["verify"])
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert told == theory.report.to_text()


@pytest.mark.parametrize(("encoding", "written"), [("ascii", "beta >= 0, Delta, e, ?, ->"), ("latin-1", "beta >= 0, Delta, é, ?, ->")])
def test_a_symbol_that_the_encoding_lacks_is_spelled(monkeypatch, encoding, written):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    _stream.survive_encoding(stream)
    monkeypatch.setattr(sys, "stdout", stream)
    _stream.write("β ≥ 0, Δ, é, 語, →")
    assert raw.getvalue().decode(encoding) == written


def test_utf_8_is_left_as_it_is(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    _stream.survive_encoding(sys.stdout)
    _stream.write("β ≥ \ud800")
    assert raw.getvalue().decode("utf-8") == "β ≥ ?"


def test_standard_output_that_was_closed_is_no_failure(monkeypatch, theory):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["verify"]) == 1
    sys.stdout.close()
