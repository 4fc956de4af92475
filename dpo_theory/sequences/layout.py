"""Where the tokens lie: padding on the left, a pad token equal to EOS, several turns, position 0, nothing at all, other company."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dpo_theory.checks.check import Finding, holds, not_applicable, refuted, undecided
from dpo_theory.sequences.batch import EOS, PAD, Batch, laid_out, plain, small
from dpo_theory.sequences.convention import CLOSE, explain, values
from dpo_theory.sequences.formula import State
from dpo_theory.sequences.subject import FunctionFailed
from dpo_theory.sequences.witness import first_wrong, witness

__all__ = [
    "batch_independent",
    "empty_completion",
    "every_token_id",
    "first_position",
    "left_padding",
    "mask_dtype",
    "packing",
    "pad_is_eos",
]

MEND = "the values differ here, and the function is wrong on plain batches already: mend that first"


def left_padding(state: State) -> Finding:
    """Padding on the left gives the values of padding on the right."""
    because = "right only with padding on the right: positions are counted from the left, or a length is used as an index"
    return _same_formula(state, plain(state.rng, side="left"), small(side="left"), because)


def pad_is_eos(state: State) -> Finding:
    """A pad token that is also EOS changes nothing: the EOS of the completion counts, the padding does not."""
    because = "tokens equal to the pad token are left out, wherever they stand: where pad = EOS the EOS of the completion is lost"
    return _same_formula(state, plain(state.rng, pad=EOS), small(pad=2), because)


def every_token_id(state: State) -> Finding:
    """Every id counts in the completion: 0, 1, the id of the padding, the last of the vocabulary."""
    size = 6
    logits = state.rng.normal(0.0, 2.0, (3, 8, size))
    batch = laid_out(logits, [[3, 4], [4], [5, 3, 3]], [[0, PAD, 5, EOS], [size - 1, 0, EOS], [PAD, 0, PAD, EOS]])
    tiny = laid_out(np.arange(9.0).reshape(1, 3, 3) % 4, [[2]], [[0, 1]])
    because = (
        "some id is taken for padding: a mask derived from the ids (ids != pad_id, ids > 0) drops real tokens; use the mask that is given"
    )
    return _same_formula(state, batch, [tiny], because)


def packing(state: State) -> Finding:
    """Several completions in one row, turns of a dialogue or packed sequences: exactly the tokens marked count."""
    batch = plain(state.rng)
    runs = ("011001000", "001011010", "010101000", "001101000", "011000000")
    mask = np.array([[int(digit) for digit in run] for run in runs])
    attention = np.maximum(batch.attention_mask, np.maximum.accumulate(mask[:, ::-1], axis=1)[:, ::-1])
    tiny = laid_out(np.arange(15.0).reshape(1, 5, 3) % 4, [[0]], [[2, 0, 1, 2]])._replace(completion_mask=np.array([[0, 1, 0, 0, 1]]))
    because = "everything from the first to the last token of the completion is taken as one run: turns of the user in between count too"
    return _same_formula(state, batch._replace(completion_mask=mask, attention_mask=attention), [tiny], because)


def first_position(state: State) -> Finding:
    """A token at position 0 has no logits that score it, and counts nothing; it is not scored by the last row."""
    batch = plain(state.rng)
    mask = batch.completion_mask.copy()
    mask[:, 0] = 1
    tiny = laid_out(np.arange(6.0).reshape(1, 2, 3) % 4, [[]], [[0, 2]])
    return _same_formula(
        state, batch._replace(completion_mask=mask), [tiny], "torch.roll wraps around: the token at position 0 is scored by the last row"
    )


def empty_completion(state: State) -> Finding:
    """A sequence without a completion has the log-probability 0, and a finite gradient."""
    batch = plain(state.rng)
    mask = batch.completion_mask.copy()
    mask[1] = 0
    batch = batch._replace(completion_mask=mask)
    tiny = laid_out(np.zeros((1, 2, 2)), [[0, 1]], [[]])
    try:
        got = state.subject.values(batch)
    except FunctionFailed as error:
        return refuted(witness(state.subject, tiny, 0.0, f"the function {error}", "an empty completion is not provided for"))
    if not np.isfinite(got[1]):
        because = "0 / 0: divide by mask.sum(-1).clamp(min=1); one such sequence makes the loss of the batch NaN"
        return refuted(witness(state.subject, tiny, 0.0, got[1], because))
    if abs(got[1]) > CLOSE:
        return (
            undecided(MEND) if state.faults else refuted(witness(state.subject, tiny, 0.0, got[1], "an empty completion counts something"))
        )
    if state.subject.backend == "torch":
        slope = state.subject.gradient(batch, np.ones(len(got)))
        if slope is not None and not np.isfinite(slope).all():
            return refuted(
                witness(state.subject, tiny, "a finite gradient", "NaN", "0 / 0 in the gradient: clamp the count before dividing")
            )
    return holds(1, abs(float(got[1])), CLOSE, method="value 0, finite gradient")


def batch_independent(state: State) -> Finding:
    """A sequence has the same value alone, in another order, and padded further, whatever stands in the padding."""
    batch, subject = state.batch, state.subject
    coupled = any(fault.value in ("batch mean", "batch sum", "batch longest", "batch size", "batch") for fault in state.faults)
    order = np.array([3, 1, 4, 0, 2])
    seen = [("in another order", batch.rows(order), order)]
    seen += [("alone", batch.rows(np.array([k])), np.array([k])) for k in range(len(order))]
    noise = state.rng.normal(0.0, 2.0, batch.logits.shape)
    outside = np.concatenate([batch.completion_mask[:, 1:], np.zeros((len(order), 1), np.int64)], 1) == 0
    spoilt = batch._replace(logits=np.where(outside[..., None], noise, batch.logits))
    other = batch._replace(input_ids=np.where(batch.attention_mask == 1, batch.input_ids, 0))
    everyone = np.arange(len(order))
    seen += [("with other logits where nothing is scored", spoilt, everyone), ("with other ids in the padding", other, everyone)]
    seen.append(("padded further", _wider(batch), everyone))
    for how, changed, which in seen:
        try:
            got = subject.values(changed)
        except FunctionFailed as error:
            if how == "alone":
                return refuted(witness(subject, changed, "one number", f"the function {error}", "a batch of one is squeezed away"))
            raise
        if not np.allclose(got, state.got[which], rtol=1e-6, atol=CLOSE):
            if state.faults and not coupled:
                return undecided(MEND)
            because = f"the value of a sequence is another one {how}: it depends on what it must not depend on"
            return refuted(witness(subject, changed, state.got[which], got, because))
    return holds(len(seen), 0.0, CLOSE, method="alone, in another order, padded further, other padding")


def mask_dtype(state: State) -> Finding:
    """Masks of bool and of integers mean the same."""
    columns = [column for column in state.subject.columns if column.endswith("mask")]
    if not columns:
        return not_applicable("it takes no mask")
    tiny = next(small())
    seen = []
    for kind in ("bool", "int64", "float32"):
        try:
            seen.append(state.subject.values(state.batch, mask=kind))
        except FunctionFailed as error:
            because = f"a mask of {kind} is refused: call .bool() on it, or .to(logits.dtype)"
            return refuted(witness(state.subject, tiny, "the same as for int64", f"the function {error}", because, mask=kind))
        if not np.allclose(seen[-1], seen[0], rtol=1e-6, atol=CLOSE):
            because = "masks of int and of bool are treated unlike: ~mask flips bits (~1 = -2), x[mask] gathers where mask is int"
            return refuted(
                witness(state.subject, tiny, values(tiny, state.right), state.subject.values(tiny, mask=kind), because, mask=kind)
            )
    return holds(len(seen), 0.0, CLOSE, method="bool, int64, float32")


def _same_formula(state: State, batch: Batch, tiny: Iterable[Batch], because: str) -> Finding:
    """The convention found on the plain batch holds on this one."""
    convention = state.explained
    try:
        got = state.subject.values(batch)
    except FunctionFailed as error:
        return refuted(witness(state.subject, batch, values(batch, state.right), f"the function {error}", because))
    off = np.abs(got - values(batch, convention))
    if np.allclose(got, values(batch, convention), rtol=1e-6, atol=CLOSE):
        return holds(len(got), float(off.max()), CLOSE, method="the same formula as on the plain batch")
    if state.faults:
        return undecided(MEND)
    found = explain(batch, got, convention.divide)
    if found is not None and found[1]:
        because = f"{because} (here {'; '.join(fault.because for fault in found[1])})"
    least = first_wrong(state.subject, tiny, convention) or batch
    return refuted(
        witness(state.subject, least, values(least, convention), _or_words(state, least), because), residual=float(np.nanmax(off))
    )


def _or_words(state: State, batch: Batch) -> object:
    try:
        return state.subject.values(batch)
    except FunctionFailed as error:
        return f"the function {error}"


def _wider(batch: Batch, by: int = 3) -> Batch:
    edges = ((0, 0), (0, by))
    return Batch(
        np.pad(batch.logits, (*edges, (0, 0)), constant_values=0.5),
        np.pad(batch.input_ids, edges, constant_values=PAD),
        np.pad(batch.attention_mask, edges),
        np.pad(batch.completion_mask, edges),
    )
