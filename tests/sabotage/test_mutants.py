"""Faults made by machine from the source of the formula rooms: a claim kills each, or it is equivalent for a stated reason."""

import warnings
from importlib import import_module

import pytest

from dpo_theory import mutation
from dpo_theory.claims import registry, runner

ROOMS = {
    "dpo_theory.optimal": ("D04", "D05", "D18", "D03b", "D22"),
    "dpo_theory.preferences": ("D01", "D24"),
    "dpo_theory.rewards": ("D14", "D15", "D16"),
    "dpo_theory.losses.dpo": ("D07", "D09", "D27", "D10"),
    "dpo_theory.losses.plackett_luce": ("D25", "D25b"),
    "dpo_theory._xp": ("D04", "D01", "D24", "D25", "D27", "D09"),
    "bandits.data": ("D07", "D25", "D07c"),
}

EQUIVALENT: dict[str, str] = {}


def killer(mutant, room):
    """The first claim that stops holding, or None; searches are left out, they are slow and see no formula of their own."""
    first = ROOMS[room]
    order = (*first, *(id for id in registry.ids() if id not in first))
    with mutant.applied(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for id in order:
            if runner.run(registry.load(id), only=("proof", "certificate", "edge")).failed:
                return id
    return None


@pytest.mark.parametrize("room", ROOMS)
def test_every_survivor_is_equivalent_for_a_stated_reason(room):
    survivors = sorted({m.name for m in mutation.mutants(import_module(room)) if killer(m, room) is None})
    assert survivors == sorted(name for name in EQUIVALENT if name.startswith(room + "."))


def test_there_are_many_mutants():
    counts = {room: sum(1 for _ in mutation.mutants(import_module(room))) for room in ROOMS}
    assert all(counts.values()) and sum(counts.values()) >= 120
