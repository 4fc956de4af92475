"""What is computed: which token, which row, which axis. One explanation of the numbers on one batch decides all of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpo_theory.checks.check import Finding, holds, refuted, undecided
from dpo_theory.sequences.batch import Batch, plain, small
from dpo_theory.sequences.convention import CLOSE, FAULTS, Convention, Fault, explain, values
from dpo_theory.sequences.subject import FunctionFailed, Subject
from dpo_theory.sequences.witness import FAR, first_wrong, witness

__all__ = ["STATEMENTS", "State", "faulty", "observed", "value"]

STATEMENTS = {
    "shift": "The token at position t is scored with the logits at t - 1.",
    "mask-shift": "The mask moves with the tokens: a token counts where its own mask is 1.",
    "prompt-excluded": "Tokens of the prompt count nothing.",
    "padding-excluded": "Padding counts nothing.",
    "ignore-index": "Ignored labels count nothing, and are no token.",
    "first-token-counted": "The first token of the completion counts.",
    "eos-counted": "The last token of the completion, EOS, counts.",
    "log-softmax": "Scores are log-probabilities in nats.",
    "axis": "The softmax runs over the vocabulary.",
    "temperature": "The logits are taken as they are, at temperature 1.",
    "sign": "The result is a log-probability, not its negative.",
    "normalisation": "The result is the sum over the completion, or its mean over the tokens of the completion.",
}


@dataclass
class State:
    """What is known of a function under test.

    Args:
        subject: the function.
        batch: right-padded, on which it was observed.
        got: (B,) what it returned there.
        declared: `sum`, `mean` or None.
        convention: what explains the numbers; None where nothing does.
        faults: of the convention.
        failure: why it could not be evaluated.
        rng: for further batches.
    """

    subject: Subject
    batch: Batch
    rng: np.random.Generator
    got: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    declared: str | None = None
    convention: Convention | None = None
    faults: tuple[Fault, ...] = ()
    failure: str = ""

    @property
    def right(self) -> Convention:
        """What the function should do: `declared`, or what it is nearest to."""
        divide = self.declared or (self.convention.divide if self.convention is not None else "sum")
        return Convention(divide=divide if divide in ("sum", "mean") else "mean")

    @property
    def explained(self) -> Convention:
        """What the function is known to do, by which the other checks measure it."""
        return self.convention or self.right


def observed(subject: Subject, rng: np.random.Generator, declared: str | None) -> State:
    """Call the function on a batch and look for what explains the numbers, confirmed on a second batch."""
    state = State(subject, plain(rng), rng, declared=declared)
    try:
        state.got = subject.values(state.batch)
        again = plain(rng)
        found = explain(state.batch, state.got, declared)
        if found is not None and np.allclose(subject.values(again), values(again, found[0]), rtol=1e-6, atol=CLOSE):
            state.convention, state.faults = found
    except FunctionFailed as error:
        state.failure = str(error)
    return state


def faulty(check: str) -> Callable[[State], Finding]:
    """A check that is refuted where the explanation contains a fault of this name."""

    def run(state: State) -> Finding:
        assert state.convention is not None
        mine = [fault for fault in state.faults if fault.check == check]
        if mine:
            return _refuted(state, mine[0])
        if check == "normalisation":
            return _normalisation(state)
        tried = sum(fault.check == check for fault in FAULTS)
        off = float(np.abs(values(state.batch, state.convention) - state.got).max())
        said = "its values are those of the right formula" if not state.faults else "it is no part of what explains the values"
        return holds(2 * len(state.batch.input_ids), off, CLOSE, method=said + (f"; {tried} wrong ones give others" if tried else ""))

    return run


def value(state: State) -> Finding:
    """Refuted where nothing explains the numbers."""
    wanted = values(state.batch, state.right)
    if state.convention is None:
        tiny = first_wrong(state.subject, small(), state.right) or state.batch
        expected = values(tiny, state.right)
        got = _got(state.subject, tiny)
        because = "none of the known mistakes, nor two of them together, gives these numbers"
        if not np.isfinite(state.got).all():
            because = "the values are not finite on ordinary logits"
        return refuted(witness(state.subject, tiny, expected, got, because), residual=float(np.nanmax(np.abs(state.got - wanted))))
    if state.faults:
        names = ", ".join(dict.fromkeys(fault.check for fault in state.faults))
        return undecided(f"explained by {names}")
    return holds(
        2 * len(wanted), float(np.abs(state.got - wanted).max()), CLOSE, method=f"the {state.explained.divide}, against float64 NumPy"
    )


def _normalisation(state: State) -> Finding:
    assert state.convention is not None
    found, wanted = state.convention.divide, state.declared
    if wanted is not None and found != wanted:
        tiny = first_wrong(state.subject, small(), dataclasses.replace(state.convention, divide=wanted)) or state.batch
        because = f"this is the {found} over the tokens of the completion; normalise={wanted!r} was declared"
        return refuted(witness(state.subject, tiny, values(tiny, state.right), _got(state.subject, tiny), because))
    return holds(len(state.batch.input_ids), 0.0, 0.0, method=f"the {found} over the tokens of the completion")


def _refuted(state: State, fault: Fault) -> Finding:
    tiny = next(_telling(state, fault), state.batch)
    wanted = values(tiny, state.right)
    off = float(np.abs(values(state.batch, state.right) - state.got).max())
    return refuted(witness(state.subject, tiny, wanted, _got(state.subject, tiny), fault.because), residual=off)


def _telling(state: State, fault: Fault) -> Iterator[Batch]:
    """Small batches on which this fault alone changes the value, and the function does what the explanation says."""
    alone = dataclasses.replace(state.right, **{fault.field: fault.value})
    for batch in small():
        if np.abs(values(batch, alone) - values(batch, state.right)).max() > FAR:
            try:
                got = state.subject.values(batch)
            except FunctionFailed:
                continue
            if np.allclose(got, values(batch, state.explained), atol=FAR) and not np.allclose(got, values(batch, state.right), atol=FAR):
                yield batch


def _got(subject: Subject, batch: Batch) -> object:
    try:
        return subject.values(batch)
    except FunctionFailed as error:
        return f"the function {error}"
