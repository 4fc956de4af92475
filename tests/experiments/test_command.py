"""`dpo-theory bandit`: what it prints, what it keeps, and how it refuses."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dpo_theory.cli import main
from dpo_theory.cli._countdown import Countdown

ROOT = Path(__file__).parents[2]
QUICK = ["--seeds", "2", "--set", "betas=1.0", "--set", "curve=0.3,1.0,3.0", "--set", "n=0,"]
VOTES = "chosen,rejected\n" + "a,b\n" * 3 + "b,a\nb,c\nb,c\nc,b\na,c\n"


def test_list_shows_every_study_and_its_question(capsys):
    assert main(["bandit", "list"]) == 0
    shown = capsys.readouterr().out
    assert "frontier " in shown
    assert "sample_size " in shown
    assert shown.count("predicted: ") == shown.count("?\n")


def test_a_study_prints_numbers_and_verdicts_and_keeps_them(tmp_path, capsys):
    assert main(["bandit", "frontier", *QUICK, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "Which methods reach the reward-KL frontier" in shown.out
    assert "no method stands above it" in shown.out
    assert {path.name for path in tmp_path.iterdir()} == {"frontier.jsonl", "frontier.svg"}
    assert main(["bandit", "frontier", *QUICK, "--out", str(tmp_path), "--format", "json"]) == 0
    again = capsys.readouterr()
    assert "1 of 1 blocks were found" in again.err
    assert json.loads(again.out)["schema"] == "dpo-theory/report"
    assert main(["bandit", "report", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "frontier: " in shown.out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 1
    assert "REFUTED, as expected" in page


def test_a_refuted_prediction_is_exit_status_1(tmp_path, capsys):
    method = tmp_path / "mine.py"
    method.write_text("import numpy as np\ndef dpo(problem, data, rng):\n    return np.log(np.full(problem.reward.shape, 0.2))\n")
    assert main(["bandit", "frontier", *QUICK, "--method", f"{method}:dpo"]) == 1
    assert "dpo, told the population, stands on the frontier" in capsys.readouterr().out


def test_human_preferences(tmp_path, capsys):
    (tmp_path / "votes.csv").write_text(VOTES)
    assert main(["bandit", "frontier", *QUICK, "--from", str(tmp_path / "votes.csv")]) == 0
    assert "no method stands above it" in capsys.readouterr().out


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(tmp_path, capsys):
    assert main(["bandit", "frontier", *QUICK, "--dry-run", "--jobs", "2", "--out", str(tmp_path / "new")]) == 0
    shown = capsys.readouterr().out
    assert "2 problems in 1 block; about " in shown
    assert " MB of memory" in shown
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fronteir"], "there is no study 'fronteir'. Did you mean frontier?"),
        (["zzz"], "The studies are "),
        (["frontier", "--seeds", "0"], "seeds is 0, expected a whole number >= 1"),
        (["frontier", "--set", "betas=0"], "betas is 0.0, expected a finite number > 0"),
        (["frontier", "--set", "betas"], "is not NAME=VALUES"),
        (["frontier", "--set", "heat=1"], "has no setting 'heat'"),
        (["frontier", "--set", "seeds=1"], "is no setting of a study"),
        (["frontier", "--set", "n=1", "--set", "n=2"], "--set n is given twice"),
        (["frontier", "--jobs", "0"], "jobs is 0"),
        (["frontier", "runs"], "Records are kept with --out runs"),
        (["frontier", "--pool"], "Give --from FILE"),
        (["frontier", "--from", "nowhere.csv"], "nowhere.csv"),
        (["frontier", "--method", "nowhere.py:it"], "there is no file nowhere.py"),
        (["report"], "expected a directory"),
        (["report", "nowhere"], "holds the records of no study"),
    ],
)
def test_bad_input_is_one_message_and_exit_status_2(words, message, capsys):
    assert main(["bandit", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len(shown.err.strip().splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_message(tmp_path):
    (tmp_path / "frontier.jsonl").symlink_to("/dev/full")
    done = subprocess.run(
        [sys.executable, "-m", "dpo_theory", "bandit", "frontier", *QUICK, "--out", str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2
    assert "No space left on device. Blocks already written are kept" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_directory_that_is_a_file_is_one_message(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["bandit", "frontier", *QUICK, "--out", str(tmp_path / "file")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err


def test_an_interruption_says_what_is_kept(tmp_path, capsys, monkeypatch):
    def interrupted(plan, *, on_block, **how):
        on_block(3, 10, 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("bandits.experiments.engine.sweep.sweep", interrupted)
    assert main(["bandit", "frontier", "--out", str(tmp_path)]) == 130
    assert "3 of 10 blocks are kept" in capsys.readouterr().err


def test_progress_is_for_terminals_and_says_how_long():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now = iter([0.0, 0.0, 10.0, 20.0])
    stream = Terminal()
    with Countdown("frontier", stream, lambda: next(now)) as show:
        show(2, 12, 2)
        show(4, 12, 2)
        show(6, 12, 2)
    shown = stream.getvalue()
    assert "frontier: 4 of 12 blocks (2 found on disk), 10 s, about 40 s left" in shown
    assert "frontier: 6 of 12 blocks (2 found on disk), 20 s, about 30 s left" in shown
    assert shown.endswith("\r")
    silent = io.StringIO()
    with Countdown("frontier", silent, lambda: 0.0) as show:
        show(1, 2, 0)
    assert silent.getvalue() == ""
