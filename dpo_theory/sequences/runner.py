"""Checks a function that turns logits into the log-probability of a completion."""

from __future__ import annotations

import contextlib
import functools
import io
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpo_theory.checks.check import Finding
from dpo_theory.evidence import Evidence, Report, Verdict
from dpo_theory.rigor.limit import TimeLimit, time_limit
from dpo_theory.sequences import formula, layout, numerics
from dpo_theory.sequences.batch import plain
from dpo_theory.sequences.formula import State, faulty, observed
from dpo_theory.sequences.subject import FunctionFailed
from dpo_theory.sequences.subject import subject as make_subject

__all__ = ["CHECKS", "SequenceCheck", "check_sequence_logps"]

SECONDS = 10.0
CANNOT = "the function cannot be evaluated"
ALONE = ("value", "batch-independent", "mask-dtype", "inputs-untouched")  # decided whatever the formula is


@dataclass(frozen=True)
class SequenceCheck:
    """A statement about functions from logits to log-probabilities.

    Args:
        name: `shift`, `eos-counted`, ...
        statement: one sentence.
        run: State -> Finding.
        kind: `owed`, or `property` where a function may lack it.
    """

    name: str
    statement: str
    run: Callable[[State], Finding]
    kind: str = "owed"


def _documented(name: str, run: Callable[[State], Finding], kind: str = "owed") -> SequenceCheck:
    assert run.__doc__
    return SequenceCheck(name, run.__doc__, run, kind)


CHECKS: tuple[SequenceCheck, ...] = (
    *(SequenceCheck(name, statement, faulty(name)) for name, statement in formula.STATEMENTS.items()),
    SequenceCheck("value", "The value is the log-probability of the completion, against float64 NumPy.", formula.value),
    _documented("left-padding", layout.left_padding),
    _documented("pad-is-eos", layout.pad_is_eos),
    _documented("every-token-id", layout.every_token_id),
    _documented("packing", layout.packing),
    _documented("first-position", layout.first_position),
    _documented("empty-completion", layout.empty_completion),
    _documented("batch-independent", layout.batch_independent),
    _documented("mask-dtype", layout.mask_dtype),
    _documented("large-logits", numerics.large_logits),
    SequenceCheck(
        "float32", "Logits in float32 give the value within a few roundings.", functools.partial(numerics.precision, dtype="float32")
    ),
    SequenceCheck(
        "bfloat16",
        "Logits in bfloat16 give the value within one rounding of each token's log-probability and of the total.",
        functools.partial(numerics.precision, dtype="bfloat16"),
    ),
    _documented("gradient", numerics.closed_form_gradient),
    _documented("gradient-elsewhere", numerics.gradient_elsewhere),
    _documented("masked-infinities", numerics.masked_infinities, "property"),
    _documented("inputs-untouched", numerics.inputs_untouched),
)


def check_sequence_logps(
    fn: Callable[..., Any],
    *,
    seed: int = 0,
    normalise: str | None = None,
    style: str | None = None,
    only: Iterable[str] | None = None,
    seconds: float = SECONDS,
    on_row: Callable[[Evidence, int, int], None] | None = None,
) -> Report:
    """Check a function that turns logits into sequence log-probabilities.

    Args:
        fn: fn(logits (B, T, V), input_ids (B, T), attention_mask (B, T), completion_mask (B, T)) -> (B,), or fn(logits, labels) with
            ignored labels -100, in torch or NumPy; or a tuple that starts with the (B,) values. The shift by one is fn's own work.
        seed: the seed of all randomness.
        normalise: what is meant, `sum` or `mean` over the tokens of the completion; default: either, and the report says which.
        style: `masks` or `labels`, where the signature does not tell.
        only: names of the checks to run; default all.
        seconds: time limit of one check.
        on_row: called with (evidence, how many are done, how many there are).

    Returns:
        A Report that fails where something owed is refuted, with a diagnosis in `counterexample.because`. A check that other
        faults keep from deciding is UNDECIDED and says so.

    Raises:
        ValueError: not a callable, a signature of another form, another `normalise`, or a name that is no check.

    >>> def own_logits(logits, input_ids, attention_mask, completion_mask):
    ...     logps = logits.log_softmax(-1).gather(-1, input_ids.unsqueeze(-1)).squeeze(-1)
    ...     return (logps * completion_mask).sum(-1)
    >>> check_sequence_logps(own_logits)["shift"].counterexample.because
    'position t is scored with its own logits: shift logits by one, logits[:, :-1] against ids[:, 1:]'
    """
    if normalise not in (None, "sum", "mean"):
        raise ValueError(f"normalise is {normalise!r}, expected 'sum' or 'mean'.")
    names = tuple(check.name for check in CHECKS)
    unknown = [name for name in only or () if name not in names]
    if unknown:
        raise ValueError(f"there is no check {unknown[0]!r}. There are {', '.join(names)}.")
    chosen = [check for check in CHECKS if only is None or check.name in tuple(only)]
    started = time.perf_counter()
    rows: list[Evidence] = []
    with _quiet():
        rng = np.random.default_rng([seed, 99])
        subject = make_subject(fn, plain(rng), style)
        try:
            with time_limit(seconds):
                state = observed(subject, rng, normalise)
        except TimeLimit as limit:
            state = State(subject, plain(rng), rng, failure=str(limit))
    for number, check in enumerate(chosen):
        state.rng = np.random.default_rng([seed, names.index(check.name)])
        rows.append(_row(check, state, seed, seconds, first=number == 0))
        if on_row is not None:
            on_row(rows[-1], len(rows), len(chosen))
    return Report(subject.name, tuple(rows), len(chosen), seed, time.perf_counter() - started)


def _row(check: SequenceCheck, state: State, seed: int, seconds: float, *, first: bool) -> Evidence:
    began = time.perf_counter()
    if state.failure:
        finding = Finding(Verdict.REFUTED if first else Verdict.SKIPPED, reason=f"{CANNOT}: it {state.failure}" if first else CANNOT)
    elif state.convention is None and check.name not in ALONE:
        finding = Finding(Verdict.UNDECIDED, reason="nothing explains the values on plain batches: see `value`")
    else:
        try:
            with time_limit(seconds), _quiet():
                finding = check.run(state)
        except FunctionFailed as error:
            finding = Finding(Verdict.REFUTED, reason=f"the function {error}")
        except TimeLimit as error:
            finding = Finding(Verdict.UNDECIDED, reason=str(error))
    owed = check.kind == "owed"
    return Evidence(
        id=check.name,
        name=check.statement.splitlines()[0].rstrip("."),
        kind=check.kind,
        statement=check.statement,
        source="",
        declared=None,
        expected="holds" if owed else None,
        verdict=finding.verdict,
        failed=owed and finding.verdict == Verdict.REFUTED,
        method=finding.method,
        residual=finding.residual,
        tolerance=finding.tolerance,
        instances=finding.instances,
        seed=seed,
        counterexample=finding.counterexample,
        seconds=time.perf_counter() - began,
        reason=finding.reason,
    )


@contextlib.contextmanager
def _quiet() -> Any:
    """What a foreign function prints or warns of is its own affair."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
