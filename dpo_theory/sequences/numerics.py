"""How exactly, with which gradient, and at whose cost: precision, large logits, autograd against the closed form, inputs untouched."""

from __future__ import annotations

import numpy as np

from dpo_theory.checks.check import Finding, holds, not_applicable, refuted, undecided
from dpo_theory.sequences.batch import EOS, Batch, laid_out, small
from dpo_theory.sequences.convention import Convention, gradient, values
from dpo_theory.sequences.formula import State
from dpo_theory.sequences.witness import called, witness

__all__ = ["closed_form_gradient", "gradient_elsewhere", "inputs_untouched", "large_logits", "masked_infinities", "precision"]

EXACT = 1e-8
UNIT = {"float32": 2.0**-24, "bfloat16": 2.0**-9}
NO_AUTOGRAD = "it computes in NumPy, without autograd"


def precision(state: State, dtype: str) -> Finding:
    """Logits of this type against float64 on the same logits, within a bound that the type allows."""
    if state.subject.backend != "torch" and dtype == "bfloat16":
        return not_applicable("NumPy has no bfloat16")
    batch = _likely(state)
    wanted = values(batch, state.explained)
    got = state.subject.values(batch, dtype)
    bound = _bound(batch, state.explained, dtype)
    off = np.abs(got - wanted)
    if not (off <= bound).all():
        k = int(np.argmax(np.where(np.isfinite(off), off - bound, np.inf)))
        one = _shortest(state, batch.rows(np.array([k])), dtype)
        wrong, right = float(state.subject.values(one, dtype)[0]), float(values(one, state.explained)[0])
        rounded = "bfloat16, next to logits of 40" if dtype == "bfloat16" else "less than float32"
        allowed = _bound(one, state.explained, dtype)[0]
        because = (
            f"an error of {abs(wrong - right):.2g} nats, where {dtype} allows {allowed:.2g}: the normaliser, "
            f"or the sum over tokens, is rounded to {rounded}; "
            "call .float() before log_softmax"
        )
        return refuted(witness(state.subject, one, right, wrong, because, dtype=dtype), residual=float(off[k]))
    tokens = max(1, int(batch.completion_mask.sum(-1).max()))
    upcast = dtype == "bfloat16" and (off <= _bound(batch, state.explained, "float32")).all()
    said = f"worst error {off.max():.2g} nats, {tokens} tokens" + ("; as exact as float32" if upcast else "")
    return holds(len(off), float(off.max()), float(bound.max()), method=said)


def large_logits(state: State) -> Finding:
    """Differences of a thousand nats between logits give finite values and gradients in float32."""
    logits = np.zeros((1, 4, 3))
    logits[0, :, 0], logits[0, :, 2] = 1000.0, -50.0
    batch = laid_out(logits, [[0]], [[1, 2]])
    wanted = values(batch, state.explained)
    got = state.subject.values(batch, "float32")
    because = "log(softmax(x)) is -inf where softmax underflows, and log(p + eps) stops at log eps: use log_softmax or logsumexp"
    if not np.allclose(got, wanted, rtol=1e-5):
        return refuted(witness(state.subject, batch, wanted, got, because, dtype="float32"))
    if state.subject.backend == "torch":
        slope = state.subject.gradient(batch, np.ones(1), "float32")
        if slope is not None and not np.isfinite(slope).all():
            return refuted(witness(state.subject, batch, "a finite gradient", "not finite", because, dtype="float32"))
    return holds(1, float(np.abs(got - wanted).max()), 1e-5 * float(np.abs(wanted).max()), method="logits up to 1000 in float32")


def closed_form_gradient(state: State) -> Finding:
    """Autograd gives weight * (1[v = token] - softmax) where a token is scored."""
    if state.subject.backend != "torch":
        return not_applicable(NO_AUTOGRAD)
    right = state.explained
    if right.scores != "log-softmax" or right.axis != "vocabulary":
        return undecided("the values are not log-probabilities: mend that first")
    weight = state.rng.uniform(0.5, 1.5, len(state.batch.input_ids))
    wanted = weight[:, None, None] * gradient(state.batch, right)
    got = state.subject.gradient(state.batch, weight)
    tiny = next(small())
    if got is None:
        because = "autograd sees no dependence on the logits: .detach(), .item(), torch.no_grad or NumPy stands in between"
        return refuted(witness(state.subject, tiny, "True", "False", because, slope=True, show=f"{called(state.subject)}.requires_grad"))
    scored = np.abs(wanted).sum(-1, keepdims=True) > 0
    off = np.abs(np.where(scored, got - wanted, 0.0))
    if not off.max() <= 2e-5:
        ones = np.ones(len(tiny.input_ids))
        found = state.subject.gradient(tiny, ones)
        return refuted(
            witness(
                state.subject,
                tiny,
                gradient(tiny, right),
                found if found is not None else "none",
                _cause(got, wanted, scored),
                slope=True,
            ),
            residual=float(np.nanmax(off)),
        )
    return holds(int(scored.sum()), float(off.max()), 2e-5, method="autograd against the closed form")


def gradient_elsewhere(state: State) -> Finding:
    """No gradient reaches logits that score nothing: prompt, padding, the last row."""
    if state.subject.backend != "torch":
        return not_applicable(NO_AUTOGRAD)
    wanted = np.abs(gradient(state.batch, state.explained)).sum(-1) > 0
    got = state.subject.gradient(state.batch, np.ones(len(wanted)))
    if got is None:
        return undecided("there is no gradient at all: see `gradient`")
    outside = ~wanted & (np.abs(got).sum(-1) > 0)
    if outside.any():
        if state.faults or state.convention is None:
            return undecided("the function is wrong on plain batches already: mend that first")
        b, t = np.argwhere(outside)[0]
        because = f"a gradient flows into row {t} of sequence {b}, which scores no token of the completion"
        tiny = next(small())
        return refuted(witness(state.subject, tiny, "zero outside the completion", "not zero", because, slope=True))
    return holds(int((~wanted).sum()), 0.0, 0.0, method="exactly zero")


def masked_infinities(state: State) -> Finding:
    """Logits that are not finite where nothing is scored, as some kernels leave at masked positions, do no harm."""
    batch = state.batch
    logits = _spoilt(state, batch)
    got = state.subject.values(batch._replace(logits=logits))
    because = "mask * NaN is NaN: use masked_fill or torch.where, not a product with the mask"
    if not np.isfinite(got).all():
        for tiny in small():
            least = tiny._replace(logits=_spoilt(state, tiny))
            if not np.isfinite(seen := state.subject.values(least)).all():
                return refuted(witness(state.subject, least, values(tiny, state.right), seen, because))
        return refuted(witness(state.subject, batch._replace(logits=logits), "finite values", got, because))
    if state.subject.backend == "torch":
        slope = state.subject.gradient(batch._replace(logits=logits), np.ones(len(got)))
        if slope is not None and not np.isfinite(slope).all():
            because = "the value is right and the gradient is NaN: replace such logits before the log-softmax, not after it"
            least = next(small())
            least = least._replace(logits=_spoilt(state, least))
            return refuted(witness(state.subject, least, "a finite gradient", "NaN", because, slope=True))
    return holds(len(got), 0.0, 0.0, method="NaN outside the completion")


def inputs_untouched(state: State) -> Finding:
    """The inputs are not modified, and the same call gives the same again."""
    inputs = state.subject.inputs(state.batch)
    kept = {name: np.array(column) for name, column in inputs.items()}
    first = np.array(state.subject.call(inputs).detach() if state.subject.backend == "torch" else state.subject.call(inputs))
    for name, column in inputs.items():
        if not np.array_equal(np.array(column), kept[name]):
            because = f"{name} was changed in place: clone it before labels[labels == -100] = 0, masks *= ..., logits /= ..."
            tiny = next(small())
            show = f"({name}.clone(), {called(state.subject)}, {name})[::2]"
            return refuted(witness(state.subject, tiny, f"{name} unchanged", f"{name} changed", because, show=show))
    again = state.subject.values(state.batch)
    if not np.array_equal(first, again):
        return refuted(
            witness(state.subject, next(small()), first, again, "a second call gives another value: a state is kept, or noise added")
        )
    return holds(len(inputs), 0.0, 0.0, method="inputs compared before and after")


def _spoilt(state: State, batch: Batch) -> np.ndarray:
    """The logits, NaN in every row that scores nothing."""
    outside = np.abs(gradient(batch, state.right)).sum(-1, keepdims=True) == 0
    return np.where(outside, np.nan, batch.logits)


def _likely(state: State) -> Batch:
    """Sixty tokens that a model expects (log-probabilities near 0), next to logits of 40."""
    size, length = 8, 66
    rng = state.rng
    logits = rng.normal(0.0, 1.0, (3, length, size)) + 35.0
    prompts = [rng.integers(3, size, n).tolist() for n in (2, 5, 1)]
    completions = [[*rng.integers(3, size, n).tolist(), EOS] for n in (60, 40, 20)]
    batch = laid_out(logits, prompts, completions)
    ids = np.roll(batch.input_ids, -1, axis=1)
    np.put_along_axis(logits, ids[..., None], rng.uniform(39.0, 41.0, (3, length, 1)), axis=-1)
    rounded = np.array([_bfloat16(row) for row in logits])
    return batch._replace(logits=rounded)


def _shortest(state: State, one: Batch, dtype: str) -> Batch:
    """The fewest positions of a sequence on which the error is beyond the bound."""
    for end in range(int(one.completion_mask[0].argmax()) + 1, one.input_ids.shape[1] + 1):
        cut = Batch(*(column[:, :end] for column in one))
        if not (np.abs(state.subject.values(cut, dtype) - values(cut, state.explained)) <= _bound(cut, state.explained, dtype)).all():
            return cut
    return one


def _bfloat16(array: np.ndarray) -> np.ndarray:
    """Rounded to eight significant bits, so that every type holds the same logits."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 256.0) / 256.0, exponent)


def _bound(batch: Batch, convention: Convention, dtype: str) -> np.ndarray:
    """(B,) nats: eight roundings to float32 of each logit; in bfloat16 also one of each log-probability and of the total, doubled."""
    total = np.abs(values(batch, convention))
    share = np.abs(_share(batch, convention))
    found = 8 * UNIT["float32"] * (share * np.abs(batch.logits).max() + total)
    return found if dtype == "float32" else found + 4 * UNIT["bfloat16"] * total


def _share(batch: Batch, convention: Convention) -> np.ndarray:
    """(B,) sum of the weights of the tokens: their number for a sum, 1 for a mean."""
    tokens = batch.completion_mask.sum(-1).astype(float)
    return tokens if convention.divide == "sum" else np.ones_like(tokens)


def _cause(got: np.ndarray, wanted: np.ndarray, scored: np.ndarray) -> str:
    """What a wrong gradient looks like."""
    if not np.isfinite(got).all():
        return "the gradient is not finite"
    rows = np.broadcast_to(scored, got.shape)
    if not np.abs(np.where(rows, got, 0)).max() > EXACT:
        return "the gradient is zero where tokens are scored"
    ratio = float((got[rows] * wanted[rows]).sum() / (wanted[rows] ** 2).sum())
    if np.allclose(got[rows], ratio * wanted[rows], atol=2e-5):
        return f"the gradient is {ratio:.4g} times what it should be"
    sums = np.where(scored[..., 0], got.sum(-1), 0.0)
    if np.abs(sums).max() > 1e-4:
        return "the gradient of a row does not add up to 0: the normaliser (logsumexp) is detached"
    return "the gradient is not that of the value: part of it is detached, or a backward is written by hand and wrong"
