"""Conventions in NumPy: the right one against a loop, its gradient against differences, faults told apart."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.sequences.batch import EOS, IGNORED, plain, small
from dpo_theory.sequences.convention import FAULTS, Convention, explain, gradient, values


def by_loop(batch):
    found = []
    for logits, ids, _, mask in zip(*batch, strict=True):
        total = 0.0
        for t in range(1, len(ids)):
            if mask[t]:
                total += logits[t - 1, ids[t]] - np.log(np.exp(logits[t - 1]).sum())
        found.append(total)
    return np.array(found)


@given(st.integers(0, 10_000), st.sampled_from(["left", "right"]))
def test_the_right_convention_is_the_definition(seed, side):
    batch = plain(np.random.default_rng(seed), side=side)
    np.testing.assert_allclose(values(batch), by_loop(batch), rtol=1e-12)
    np.testing.assert_allclose(values(batch, Convention(divide="mean")), by_loop(batch) / batch.completion_mask.sum(-1), rtol=1e-12)


@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda fault: f"{fault.check}-{fault.value}" if fault else "right")
def test_the_gradient_is_that_of_the_value(fault):
    convention = Convention() if fault is None else dataclasses.replace(Convention(), **{fault.field: fault.value})
    if convention.scores != "log-softmax" or convention.axis != "vocabulary":
        return
    batch = plain(np.random.default_rng(3))
    direction = np.random.default_rng(4).normal(size=batch.logits.shape)
    step = 1e-6
    ahead, behind = (values(batch._replace(logits=batch.logits + s * direction), convention) for s in (step, -step))
    np.testing.assert_allclose((gradient(batch, convention) * direction).sum((-1, -2)), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check}-{fault.value}")
def test_every_fault_is_told_from_every_other(fault):
    batch = plain(np.random.default_rng(0))
    found = explain(batch, values(batch, dataclasses.replace(Convention(), **{fault.field: fault.value})))
    assert found is not None
    assert found[1] == (fault,)


def test_two_faults_are_told_together():
    batch = plain(np.random.default_rng(1))
    convention, faults = explain(batch, values(batch, Convention(shift=0, counts="attention", divide="mean")))
    assert {fault.check for fault in faults} == {"shift", "prompt-excluded"}
    assert convention.divide == "mean"


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.3, 8.0])
def test_a_temperature_is_measured(temperature):
    batch = plain(np.random.default_rng(2))
    convention, (fault,) = explain(batch, values(batch, Convention(divide="mean", temperature=temperature)))
    assert fault.check == "temperature"
    assert convention.temperature == pytest.approx(temperature, rel=1e-6)
    assert convention.divide == "mean"


def test_what_is_no_convention_is_not_explained():
    batch = plain(np.random.default_rng(5))
    assert explain(batch, values(batch) + np.arange(5)) is None
    assert explain(batch, np.full(5, np.nan)) is None


def test_batches_are_no_degenerate_ones():
    batch = plain(np.random.default_rng(0))
    lengths, prompts = batch.completion_mask.sum(-1), (batch.attention_mask - batch.completion_mask).sum(-1)
    assert len(set(lengths.tolist())) == len(lengths) >= 3
    assert len(set(prompts.tolist())) >= 3
    assert (batch.attention_mask.sum(-1) < batch.attention_mask.shape[1]).any()
    assert batch.logits.shape[-1] >= 5
    last = batch.completion_mask.cumsum(-1).argmax(-1)
    assert (batch.input_ids[np.arange(5), last] == EOS).all()
    assert ((batch.labels == IGNORED) == (batch.completion_mask == 0)).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_small_batches_are_small_first(side):
    batches = list(small(side))
    assert batches[0].logits.size <= 6
    assert all((batch.input_ids < batch.logits.shape[-1]).all() for batch in batches)
    assert any((batch.attention_mask == 0).any() for batch in batches)
