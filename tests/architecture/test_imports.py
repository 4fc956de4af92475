"""Import direction, import cost, and the size of the rooms."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("dpo_theory", "bandits")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
RECORD = re.compile(r"^(CLAIM|CHECK) = ", re.M)
HEAVY = ("torch", "sympy", "scipy", "matplotlib", "hypothesis", "rich", "numpy")


def test_import_contracts_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contracts_would_notice_a_violation(tmp_path):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        for path in (ROOT / package).rglob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    room = tmp_path / "bandits" / "problem.py"
    room.write_text(room.read_text(encoding="utf-8") + "\nimport dpo_theory.optimal\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 1
    assert "bandits never imports dpo_theory" in done.stdout


@pytest.mark.parametrize(
    "command",
    ["import dpo_theory", "import bandits", "from dpo_theory.cli import main; main(['--help'])"],
)
def test_loads_nothing_heavy(command):
    code = (
        f"import sys, contextlib, io\nwith contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    {command}\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small_and_named_for_what_they_hold(path):
    assert path.stem not in ("utils", "helpers", "misc", "common")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body, "module docstring"
    if RECORD.search(path.read_text(encoding="utf-8")) or "audit" in path.parts:
        return  # the record names what the functions are; the statement is the module's docstring
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []
