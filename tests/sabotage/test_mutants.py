"""Faults made by machine from the source of the formula rooms: a claim kills each, or it is equivalent for a stated reason."""

import warnings
from importlib import import_module
from itertools import islice

import pytest

from dpo_theory import losses, mutation
from dpo_theory.claims import registry, runner
from tests.losses.precision import measure
from tests.losses.test_precision import UNITS

#  room: the claims that are asked first; after them all of the paper's
ROOMS = {
    "dpo_theory.optimal": ("D04", "D05", "D18", "D03b", "D23b", "D22"),
    "dpo_theory.preferences": ("D01", "D24"),
    "dpo_theory.rewards": ("D14", "D15", "D16", "D18"),
    "dpo_theory.losses.dpo": ("D07", "D09", "D27", "D10"),
    "dpo_theory.losses.plackett_luce": ("D25", "D25b"),
    "dpo_theory._backends": ("D04", "D24", "D27", "D01", "D25", "D09", "D10"),
    "dpo_theory._symbolic": ("D04", "D24", "D27", "D01", "D25", "D09", "D10"),
    "dpo_theory._xp": ("D04", "D24", "D27", "D01", "D25", "D09", "D10"),
    "bandits.data": ("D07", "D25", "D27"),
}
# Not formulas of the paper: bookkeeping and casts are for unit tests, what only other losses use is for theirs.
ELSEWHERE = (
    *("aggregate", "arrays", "largest", "relu", "ascending", "expm1", "log1mexp", "softplus_of", "detached", "stacked", "joined"),
    *("log", "clip", "step", "tangent_exp", "tangent_expm1", "given_slope"),
)

# Primitives that losses share in branches which no claim enters: the audit of precision, on losses that use them.
AUDITED = {
    "sigmoid": (losses.Savage(), losses.HolderDPO()),
    "surprises": (losses.PlackettLuceDPO(),),
    "exp": (losses.ExponentialGPO(), losses.AlphaPO(), losses.DiscoPOP()),
    "softplus": (losses.ORPO(), losses.UnlikelihoodTraining()),
    "log_ratio": (losses.KTO(), losses.InfoNCA()),
}

DISCARDED = "only a branch that is discarded changes; its gradient is pinned in tests/unit/dpo_theory/test_xp.py"
ZEROS = "one more zero beside the surprises, which are added up"
EQUIVALENT = {
    "dpo_theory._backends.NumPy.softplus: np.logaddexp(0.0, x) -> np.logaddexp(x, 0.0)": "logaddexp is symmetric",
    "dpo_theory._backends.NumPy.expect: taken & ~infinite -> taken": DISCARDED,
    "dpo_theory._backends.NumPy.expect: 0.0 -> 1.0": "the filler is multiplied by e^-inf = 0, or its product is discarded",
    "dpo_theory._backends.Torch.expect: taken & ~infinite -> taken": DISCARDED,
    "dpo_theory._backends.Torch.expect: 0.0 -> 1.0": "three guards give 0 off the support; each alone suffices for the value",
    "dpo_theory._backends.NumPy.surprises: 1 -> 2": ZEROS,
    "dpo_theory._backends.NumPy.surprises: np.logaddexp(0.0, NumPy.tail_logsumexp(x)[..., 1:] - x[..., :-1]) -> "
    "np.logaddexp(NumPy.tail_logsumexp(x)[..., 1:] - x[..., :-1], 0.0)": "logaddexp is symmetric",
    "dpo_theory._backends.Torch.sigmoid: 0 -> 1": "both forms are right between 0 and 1",
    "dpo_theory._backends.Torch.sigmoid: x > 0 -> x >= 0": "both forms are right at 0",
    "dpo_theory._backends.Torch.surprises: 0 -> 1": ZEROS,
    "dpo_theory._backends.Torch.surprises: 1 -> 2": ZEROS,
    "dpo_theory._backends.Torch.surprises: x.shape[-1] - 1 -> x.shape[-1]": "there are K - 1 tails: all of them either way",
    "dpo_theory._backends.Torch.surprises: x.shape[-1] - 1 -> x.shape[-1] + 1": "there are K - 1 tails: all of them either way",
    "dpo_theory._xp.expect: namespace(log_probs, values) -> namespace(values, log_probs)": "the backend does not depend on the order",
    "dpo_theory.rewards.same_class: 0.0 -> 1.0": "fillers under a mask, and an initial value below the floor of 1",
    "dpo_theory.rewards.same_class: 1.0 -> 2.0": "the floor of the scale: a tolerance for rewards below 2, not a formula",
    "dpo_theory.rewards.same_class: high - low <= tolerance * scale -> high - low < tolerance * scale": (
        "differs where the spread is the tolerance to the last bit"
    ),
    "dpo_theory.rewards.same_class: max(1.0, *(float(np.max(np.abs(a), where=finite, initial=0.0)) for a in (first, second))) -> "
    "max(*(float(np.max(np.abs(a), where=finite, initial=0.0)) for a in (first, second)), 1.0)": "max does not depend on the order",
}


def killer(mutant, room):
    """The first claim that stops holding, or None; searches are left out, they are slow and see no formula of their own."""
    first = ROOMS[room]
    rest = () if mutant.name in EQUIVALENT else (id for id in registry.ids() if id.startswith("D") and id not in first)
    with mutant.applied(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for loss in AUDITED.get(mutant.target.rsplit(".", 1)[-1], ()):
            if imprecise(loss):
                return repr(loss)
        for id in (*first, *rest):
            if runner.run(registry.load(id), only=("proof", "certificate", "edge")).failed:
                return id
    return None


def imprecise(loss):
    """The audit of precision refuses the loss, or cannot run it."""
    try:
        row = measure(loss, "float64")
    except Exception:  # a mutant may raise anything
        return True
    return not max(row.value, row.gradient, row.numpy or 0.0) <= UNITS


def of(room):
    return [m for m in mutation.mutants(import_module(room)) if m.target.rsplit(".", 1)[-1] not in ELSEWHERE]


@pytest.mark.parametrize("room", ROOMS)
def test_every_survivor_is_equivalent_for_a_stated_reason(room):
    survivors = sorted({mutant.name for mutant in of(room) if killer(mutant, room) is None})
    assert survivors == sorted(name for name in EQUIVALENT if name.startswith(room + "."))


def test_the_gaussian_formulas():
    """One mutant in six of `dpo_theory.gaussian`, spread over the file; two swaps inside `max` are equivalent."""
    claims = ("C1", "C2", "C3", "C8", "C18")
    survivors = []
    for mutant in islice(mutation.mutants(import_module("dpo_theory.gaussian")), 0, None, 6):
        with mutant.applied(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not any(runner.run(registry.load(id), only=("proof", "certificate", "edge")).failed for id in claims):
                survivors.append(mutant.name)
    assert [name for name in survivors if "max(" not in name] == []


def test_there_are_many_mutants():
    counts = {room: len(of(room)) for room in ROOMS}
    assert all(counts.values())
    assert sum(counts.values()) >= 150


def test_a_mutant_is_taken_back():
    mutant = next(iter(mutation.mutants(import_module("dpo_theory.optimal"))))
    before = mutant.function.__code__
    with pytest.raises(ZeroDivisionError), mutant.applied():
        1 / (mutant.function.__code__ is before)
    assert mutant.function.__code__ is before
