import argparse
import json
import os
import stat

import pytest

from dpo_theory.cli import _output, main
from tests.unit.report.reports import SAMPLE


class Poem:
    """A document of another shape."""

    def to_text(self, width=None):
        return f"a poem on {width} columns, β ≥ 0\n"

    def to_latex(self):
        return r"\poem"


def parse(*argv, formats=("text", "latex")):
    parser = argparse.ArgumentParser()
    _output.add_output_options(parser, formats)
    return parser.parse_args(argv)


def test_any_document_can_be_emitted(capsys, tmp_path):
    _output.emit(Poem(), parse())
    assert capsys.readouterr().out == "a poem on None columns, β ≥ 0\n"
    _output.emit(Poem(), parse("--format", "latex", "-o", "-"))
    assert capsys.readouterr().out == r"\poem"
    _output.emit(Poem(), parse("-o", str(tmp_path / "poem.tex")))
    assert (tmp_path / "poem.tex").read_text() == r"\poem"
    assert "written to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "begins"),
    [("r.txt", "the math"), ("r.json", "{"), ("r.xml", "<?xml"), ("r.md", "## "), ("R.HTML", "<!DOCTYPE"), ("r", "the math")],
)
def test_the_suffix_names_the_format(theory, name, begins, tmp_path, capsys):
    assert main(["verify", "-o", str(tmp_path / name)]) == 1
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert capsys.readouterr().out == ""


def test_the_format_outranks_the_suffix(theory, tmp_path):
    main(["verify", "-o", str(tmp_path / "r.txt"), "--format", "json"])
    assert json.loads((tmp_path / "r.txt").read_text())["of"] == len(SAMPLE)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "poem.txt"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            _output.emit(Poem(), parse("-o", str(target)))
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["poem.txt"]
    _output.emit(Poem(), parse("-o", str(target)))
    assert target.read_text(encoding="utf-8") == "a poem on None columns, β ≥ 0\n"
    assert os.listdir(tmp_path) == ["poem.txt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes, links and pipes")
def test_modes_links_and_pipes_are_kept(tmp_path):
    target, link = tmp_path / "poem.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    _output.emit(Poem(), parse("-o", str(link)))
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("a poem")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    pipe = tmp_path / "pipe"  # stands for any device: a mistake here must not replace a real one
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    _output.emit(Poem(), parse("-o", str(pipe)))
    assert os.read(reading, 6) == b"a poem"
    os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    _output.emit(Poem(), parse("-o", str(tmp_path / "new.txt")))
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) & 0o077 == 0o066 & ~_output._umask()
