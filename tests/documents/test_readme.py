"""Every document that shows code is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|console)\n(.*?)```", README, re.S)


@pytest.mark.parametrize("number", [i for i, (kind, _) in enumerate(BLOCKS) if kind == "python"])
def test_python_blocks_run(number):
    code = BLOCKS[number][1]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    promised = [line.split("# -> ", 1)[1].strip() for line in code.splitlines() if "# -> " in line]
    assert [line.strip() for line in done.stdout.splitlines() if line.strip()][: len(promised)] == promised


@pytest.mark.parametrize("number", [i for i, (kind, _) in enumerate(BLOCKS) if kind == "console"])
def test_console_blocks_print_what_they_show(number, tmp_path):
    lines = BLOCKS[number][1].splitlines()
    command = lines[0].removeprefix("$ ")
    assert command.startswith("dpo-theory ")
    done = subprocess.run(
        [sys.executable, "-m", "dpo_theory", *command.split()[1:]], capture_output=True, text=True, cwd=ROOT, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    printed = _steady(done.stdout)
    for line in lines[1:]:
        if line.strip() not in ("", "..."):
            assert _steady(line) in printed


def test_the_readme_shows_both_commands():
    assert re.search(r"<!-- run -->\s*```bash\n", README)
    assert re.search(r"<!-- tests -->\s*```bash\n", README)


def test_doctests_of_every_module():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", "dpo_theory", "bandits"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) >= 30


def _environment():
    import os

    return {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}


def _steady(text):
    """Without times, which differ from run to run, and without column padding."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)? ?s\b", "", text)).strip()
