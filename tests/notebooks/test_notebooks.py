"""Every notebook: its rules, a run that tries its sliders, and a last cell that fails when its formula is wrong."""

import ast
import re
import socket
from collections import Counter

import nbformat
import pytest

from dpo_theory.mutation import edited
from dpo_theory.testing.exercises import EXERCISES
from tests.notebooks import cells
from tests.notebooks.sabotage import SABOTAGE

SUBJECTS = 11
OUTSIDE = re.compile(
    r"(?<![\w.])/(home|tmp|work|Users|mnt|root|var)/|[A-Z]:\\\\|https?://|urlopen|requests|socket|load_dataset|from_pretrained"
)


def code(name):
    return [cell.source for cell in cells.read(name).cells if cell.cell_type == "code"]


def test_there_is_one_for_every_subject():
    assert len(cells.NAMES) == SUBJECTS
    assert [name[:2] for name in cells.NAMES] == [f"{number:02}" for number in range(1, SUBJECTS + 1)]


@pytest.mark.parametrize("name", cells.NAMES)
class TestRules:
    def test_it_is_a_notebook_with_stable_ids_and_nothing_else(self, name):
        notebook = cells.read(name)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        ids = [cell.id for cell in notebook.cells]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z][a-z-]*", id) for id in ids)

    def test_it_is_short(self, name):
        assert len(cells.read(name).cells) < 15

    def test_its_outputs_are_stripped(self, name):
        for cell in cells.read(name).cells:
            assert cell.metadata == {}
            if cell.cell_type == "code":
                assert cell.outputs == []
                assert cell.execution_count is None

    def test_its_title_is_a_question(self, name):
        first = cells.read(name).cells[0]
        assert first.cell_type == "markdown"
        title = first.source.splitlines()[0]
        assert title.startswith("# ")
        assert title.endswith("?")

    def test_it_defines_nothing(self, name):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not [node for source in code(name) for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]

    def test_it_reaches_nothing_outside(self, name):
        assert [found.group() for source in code(name) for found in OUTSIDE.finditer(source)] == []

    def test_it_has_a_derivation_a_slider_a_figure_an_exercise_and_a_last_cell_that_asserts(self, name):
        sources = code(name)
        assert re.search(r'^derivation\("', "\n".join(sources), re.M)
        assert any("interact(" in source and "plt.show()" in source for source in sources)
        assert sum(source.startswith('exercise("') for source in sources) == 1
        last = cells.read(name).cells[-1]
        assert last.cell_type == "code"
        assert last.source.count("assert ") >= 4
        assert not any("assert " in source for source in sources[:-1])

    def test_its_text_stands_beside_its_code(self, name):
        kinds = Counter(cell.cell_type for cell in cells.read(name).cells)
        assert kinds["markdown"] >= 6


def test_the_exercises_are_those_of_the_notebooks():
    asked = [re.search(r'exercise\("([a-z-]+)", \.\.\.\)', "\n".join(code(name))).group(1) for name in cells.NAMES]
    assert sorted(asked) == sorted(EXERCISES)


@pytest.mark.parametrize("name", cells.NAMES)
def test_it_runs_offline_and_its_sliders_reach_their_ends(name, monkeypatch):
    def refuse(*_):
        raise OSError("a notebook asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    left, failed = cells.run(name)
    assert failed is None
    assert "All of it holds." in left["said"]


FAULTS = [pytest.param(*one, id=f"{one[0]}-{one[1].__qualname__}-{number}") for number, one in enumerate(SABOTAGE)]


@pytest.mark.parametrize(("name", "function", "old", "new"), FAULTS)
def test_its_last_cell_fails_when_the_formula_is_wrong(name, function, old, new):
    with edited(function, old, new).applied():
        _, failed = cells.run(name)
    assert failed is not None, "the notebook does not notice"
    assert failed.cell == cells.read(name).cells[-1].id, failed
    assert isinstance(failed.error, AssertionError)


def test_every_notebook_is_sabotaged():
    assert {one[0] for one in SABOTAGE} == set(cells.NAMES)


def test_without_trl_the_notebook_says_how_to_install_it(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from dpo_theory.adapters import trainers

    def missing(name):
        raise PackageNotFoundError(name)

    trainers.trainer.cache_clear()
    monkeypatch.setattr(trainers, "version", missing)
    left, failed = cells.run("09_installed_trainers")
    assert failed is None
    assert 'pip install "dpo-theory[trl]"' in left["said"]
    assert "nothing was compared" in left["said"]
    assert "All of it holds." not in left["said"]
