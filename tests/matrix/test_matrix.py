import re
from pathlib import Path

import pytest

from dpo_theory import losses
from dpo_theory.cli import main
from dpo_theory.matrix import Row, matrix, standard
from dpo_theory.matrix.notes import NOTES
from dpo_theory.matrix.rows import named
from tests.matrix.predicted import COLUMNS, PREDICTED

DOCUMENT = (Path(__file__).resolve().parents[2] / "benchmarks" / "matrix.md").read_text(encoding="utf-8")
TABLE = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in DOCUMENT.splitlines() if line.startswith("| ")]
CELLS = {row[0]: dict(zip(TABLE[0][1:], row[1:], strict=True)) for row in TABLE[1:]}
SAME = {("Cvx", "y", "in log pi"), ("=RLHF", "y", "own f")}  # the same answer, said more exactly


@pytest.fixture(scope="module")
def few():
    return matrix(named(["DPO", "IPO", "Hinge", "KTO"]))


def plain(cell):
    return re.sub(r" \(\d+\)$", "", cell).replace("**", "").strip()


def noted(cell):
    return re.search(r" \(\d+\)$", cell) is not None


def test_every_loss_of_the_library_is_asked():
    assert len(CELLS) >= 45
    assert {re.split(r"[(,]", label)[0] for label in CELLS} == set(losses.__all__)
    assert list(CELLS) == [row.label for row in standard()]


def test_the_document_is_what_the_command_writes(few):
    again = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in few.to_markdown().splitlines() if line.startswith("| ")]
    for row in again[1:]:
        for column, got, written in zip(TABLE[0][1:], row[1:], CELLS[row[0]].values(), strict=True):
            assert plain(got) == plain(written), (row[0], column)


@pytest.mark.parametrize("label", PREDICTED)
def test_what_theory_decides_agrees_or_is_resolved_by_a_note(label):
    for column, predicted in zip(COLUMNS, PREDICTED[label], strict=True):
        cell = CELLS[label][column]
        if predicted != "." and plain(cell) != predicted and (column, predicted, plain(cell)) not in SAME:
            assert noted(cell) or plain(cell) == "-", (label, column, predicted, cell)


def test_nothing_is_left_open_without_a_word():
    # a lower bound is missing: no best policy is there to be ranked or moved
    assert {(label, c) for label, row in CELLS.items() for c, cell in row.items() if plain(cell) == "?" and not noted(cell)} <= {
        ("Unlikelihood(alpha=1.0)", "Intr"),
        ("Unlikelihood(alpha=1.5)", "Intr"),
    }


def test_every_note_is_about_a_cell_that_shows_what_it_resolves():
    for note in NOTES:
        for label in note.losses:
            assert label not in CELLS or plain(CELLS[label][note.column]).startswith(note.shown[:4]), (label, note.column)


def test_cells_carry_their_evidence(few):
    for line in few:
        for cell in line.cells:
            assert cell.statement
            assert cell.method or cell.counterexample is not None or cell.reason or cell.value, (line.label, cell.column)
    assert few["DPO"]["BT"].proved
    assert few["Hinge"]["BT"].shown == "n"


def test_a_sabotaged_loss_changes_its_cells():
    def reversed_dpo(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps):
        from torch.nn.functional import logsigmoid

        return -logsigmoid((policy_rejected_logps - policy_chosen_logps) - (ref_rejected_logps - ref_chosen_logps))

    found = matrix([Row("reversed", reversed_dpo)])["reversed"]
    assert found["Mon"].shown == found["BT"].shown == found["=RLHF"].shown == "n"


def test_the_command_writes_every_format(capsys):
    assert main(["matrix", "dpo", "--format", "html"]) == 0
    assert "<details>" in capsys.readouterr().out
    assert main(["matrix", "DPO"]) == 0
    assert "PROVED" in capsys.readouterr().out
    assert main(["matrix", "DPOO"]) == 2
    assert "Nearest: DPO" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["matrix", "--jobs", "0"])


def test_jobs_must_be_positive():
    with pytest.raises(ValueError, match="jobs is 0"):
        matrix(named(["DPO"]), jobs=0)
