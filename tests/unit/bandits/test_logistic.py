"""Steps toward the optimum of a logistic loss: cubic where a correction follows, and as good after a start in single precision."""

import numpy as np
import pytest

from bandits.conjugate import Parts
from bandits.logistic import Logistic, approach
from bandits.meshes import CellMeshes
from bandits.tables import TableFold

LOSS = Logistic(lean=-0.5, height=0.5, half=0.5)


def _mesh():
    weight = np.random.default_rng(1).uniform(0.2, 1.0, size=(2, 15, 40))
    return CellMeshes((40, 6)).fold(weight / weight.sum(axis=(0, 1)))


def _table():
    wins = np.random.default_rng(2).uniform(0.2, 1.0, size=(70, 70))
    np.fill_diagonal(wins, 0.0)
    return TableFold(wins / wins.sum(), Parts(np.zeros(70, dtype=np.int64), 1))


def _sizes(fold, contexts):
    """How long the steps are, one after the other."""
    u, found = np.random.default_rng(3).normal(scale=0.1, size=(len(fold.degree), contexts)), []
    for _ in range(3):
        move = fold.step(u, fold.lead)
        u -= move
        found.append(np.ptp(move, axis=0).max())
    return found


@pytest.mark.parametrize(("make", "contexts"), [(_mesh, 40), (_table, 1)])
def test_steps_converge_cubically(make, contexts):
    first, second, third = _sizes(make(), contexts)
    assert first > 0.05
    assert second < first**3
    assert third < max(2 * second**3, 1e-14)


@pytest.mark.parametrize(("make", "contexts"), [(_mesh, 40), (_table, 1)])
def test_a_rough_start_ends_in_full_precision(make, contexts):
    fold = make()
    actions = len(fold.degree)
    end, settled, _ = approach(fold, LOSS, np.zeros((contexts, actions)))
    assert settled.all()
    assert end.dtype == np.float64
    left = fold.step(LOSS.half * end.T, fold.lead)
    assert np.ptp(left, axis=0).max() < 1e-13
