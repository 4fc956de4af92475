import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpo_theory import __version__
from dpo_theory.cli import COMMANDS, main


def test_help_lists_every_command_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    told = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(f"  {name}" in told for name in COMMANDS)
    assert "exit status" in told


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert f"dpo-theory {name}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"dpo-theory {__version__}\n"


def test_no_command_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["verfy"], "Did you mean 'verify'?"),
        (["zzz"], "The commands are verify"),
        (["--frobnicate"], "--frobnicate"),
        (["verify", "--form", "json"], "--form"),
    ],
)
def test_wrong_usage_is_one_message(argv, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in told
    assert "Traceback" not in told


def test_an_interruption_outside_a_run_is_quiet(theory, capsys):
    theory.raises = KeyboardInterrupt()
    assert main(["verify"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"


def run(*argv, stdout=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-m", "dpo_theory", *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        check=False,
    )


def test_a_reader_that_leaves_is_no_error():
    for argv in (["schema"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = run(*argv, stdout=writing)
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_is_one_message():
    with open("/dev/full", "wb") as full:
        done = run("schema", stdout=full)
    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
