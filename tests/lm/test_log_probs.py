"""Log-probabilities in pieces: values and gradients against float64 formulas, masks, half precision, memory, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.lm import log_probs
from dpo_theory.lm.log_probs import (
    sequence_log_probs,
    sequence_log_probs_from_hidden,
    token_log_probs,
    token_log_probs_from_hidden,
)


@pytest.fixture(params=[2**21, 24], ids=["one piece", "many pieces"])
def piece(request, monkeypatch):
    monkeypatch.setattr(log_probs, "PIECE", request.param)
    monkeypatch.setattr(log_probs, "NARROWEST", 2)


def drawn(seed=0, batch=3, length=6, size=7, width=4):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(batch, length, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(size, width, generator=generator, dtype=torch.float64)
    bias = torch.randn(size, generator=generator, dtype=torch.float64)
    ids = torch.randint(size, (batch, length), generator=generator)
    mask = torch.rand(batch, length, generator=generator) < 0.6
    return hidden, weight, bias, ids, mask


def plain(logits, ids, mask):
    return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1) * mask


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 9), st.integers(2, 40))
def test_values_and_gradients_from_logits(seed, batch, length, size):
    _, _, _, ids, mask = drawn(seed, batch, length, size)
    logits = torch.randn(batch, length, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 5
    above = torch.randn(batch, length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + 1))
    slopes = []
    for form in (plain, token_log_probs):
        leaf = logits.clone().requires_grad_()
        value = form(leaf, ids, mask)
        value.backward(above)
        slopes.append((value.detach(), leaf.grad))
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("biased", [False, True])
def test_values_and_gradients_from_hidden_states(biased):
    hidden, weight, bias, ids, mask = drawn(size=11)
    found = []
    for ours in (False, True):
        leaves = [leaf.clone().requires_grad_() for leaf in (hidden, weight, bias)]
        given_bias = leaves[2] if biased else None
        if ours:
            value = token_log_probs_from_hidden(leaves[0], leaves[1], ids, given_bias, mask)
        else:
            value = plain(leaves[0] @ leaves[1].mT + (given_bias if biased else 0), ids, mask)
        (value * torch.arange(18.0).view(3, 6)).sum().backward()
        found.append((value.detach(), leaves[0].grad, leaves[1].grad, leaves[2].grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("piece")
def test_pieces_do_not_change_the_gradient():
    hidden, weight, _, ids, mask = drawn()
    logits = (hidden @ weight.mT).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: token_log_probs(x, ids, mask), (logits,))
    leaf = hidden[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda h: token_log_probs_from_hidden(h, weight, ids[0]), (leaf,))


@pytest.mark.parametrize("normalise", ["sum", "mean"])
def test_a_sequence_is_shifted_masked_and_summed(normalise):
    hidden, weight, _, ids, _ = drawn()
    logits = hidden @ weight.mT
    mask = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    table = logits.numpy() - np.log(np.exp(logits.numpy()).sum(-1, keepdims=True))
    wanted = [sum(table[b, t - 1, ids[b, t]] for t in range(1, 6) if mask[b, t]) for b in range(3)]
    if normalise == "mean":
        wanted = [total / max(1, int(mask[b].sum())) for b, total in enumerate(wanted)]
    for form in (
        sequence_log_probs(logits, ids, mask, normalise=normalise),
        sequence_log_probs_from_hidden(hidden, weight, ids, mask, normalise=normalise),
        sequence_log_probs(logits, ids, mask.bool(), normalise=normalise),
    ):
        np.testing.assert_allclose(form, wanted, rtol=1e-12)


def test_a_completion_from_the_first_token_does_not_wrap_around():
    logits = torch.randn(1, 3, 5, dtype=torch.float64)
    ids = torch.tensor([[1, 2, 3]])
    whole = sequence_log_probs(logits, ids, torch.ones(1, 3))
    assert torch.equal(whole, sequence_log_probs(logits, ids, torch.tensor([[0, 1, 1]])))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_each_precision_is_as_exact_as_float32(dtype):
    hidden, weight, _, ids, mask = drawn(length=40, size=500)
    logits = (8 * hidden @ weight.mT).to(dtype).requires_grad_()
    value = token_log_probs(logits, ids, mask)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), plain(logits.double(), ids, mask), rtol=0, atol=1e-5)
    value.sum().backward()
    assert logits.grad.dtype == dtype
    wide = logits.detach().double().requires_grad_()
    plain(wide, ids, mask).sum().backward()
    torch.testing.assert_close(logits.grad.double(), wide.grad, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_from_hidden_states_in_low_precision(dtype):
    hidden, weight, bias, ids, mask = (x.to(dtype) if x.is_floating_point() else x for x in drawn(length=20, size=300))
    exact = plain(hidden.double() @ weight.double().mT + bias.double(), ids, mask)
    leaf = hidden.clone().requires_grad_()
    value = token_log_probs_from_hidden(leaf, weight, ids, bias, mask)
    torch.testing.assert_close(value.double(), exact, rtol=0, atol=1e-5)
    value.sum().backward()
    assert leaf.grad.dtype == dtype


def test_large_logits_and_impossible_tokens():
    logits = torch.tensor([[[1e4, -1e4, 0.0], [-torch.inf, 1.0, 1.0]]], requires_grad=True)
    value = token_log_probs(logits, torch.tensor([[1, 0]]))
    assert value.tolist() == [[-2e4, -torch.inf]]
    value = token_log_probs(logits, torch.tensor([[1, 1]]))
    value.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_rows_out_of_the_mask_are_neither_read_nor_given_a_gradient():
    logits = torch.zeros(1, 4, 3)
    logits[0, [0, 2]] = torch.nan
    logits.requires_grad_()
    value = token_log_probs(logits, torch.tensor([[-100, 1, -100, 2]]), torch.tensor([[0, 1, 0, 1]]))
    assert torch.isfinite(value).all()
    value.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[0, [0, 2]].any()


def test_forward_and_backward_hold_one_small_piece():
    """The allocator sees no tensor of the size of the logits but the gradient."""
    logits = torch.zeros(2, 128, 30_000, requires_grad=True)  # 31 MB
    ids = torch.zeros(2, 128, dtype=torch.long)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        token_log_probs(logits, ids).sum().backward()
    asked = sorted((event.self_cpu_memory_usage for event in profile.events()), reverse=True)
    assert asked[0] == logits.nbytes
    assert asked[1] <= 8 * 2**20, "a second tensor larger than a piece"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: token_log_probs(torch.zeros(2, 3, 4), torch.zeros(2, 2, dtype=torch.long)), r"ids are \(2, 2\) of int64, expected"),
        (lambda: token_log_probs(torch.zeros(3, 4), torch.tensor([0, 4, 0])), r"an id is 4, expected 0\.\.3"),
        (lambda: token_log_probs(torch.zeros(3, 4), torch.tensor([0, -100, 0])), "labels of -100"),
        (lambda: token_log_probs(torch.zeros(3, 4), torch.zeros(3)), "expected integers"),
        (lambda: token_log_probs(torch.zeros(4), torch.tensor(0)), r"expected floating point \(T, V\)"),
        (lambda: token_log_probs(torch.zeros(3, 4), torch.zeros(3, dtype=torch.long), torch.ones(4)), "mask is"),
        (lambda: token_log_probs_from_hidden(torch.zeros(3, 4), torch.zeros(5, 3), torch.zeros(3, dtype=torch.long)), r"expected \(V, 4\)"),
        (lambda: token_log_probs_from_hidden(torch.zeros(4), torch.zeros(5, 4), torch.tensor(0)), "hidden is"),
        (
            lambda: token_log_probs_from_hidden(torch.zeros(3, 4), torch.zeros(5, 4), torch.zeros(3, dtype=torch.long), torch.zeros(4)),
            r"bias is \(4,\)",
        ),
        (lambda: sequence_log_probs(torch.zeros(3, 4), torch.zeros(3), torch.zeros(3)), r"expected \(B, T, V\)"),
        (lambda: sequence_log_probs(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 2)), "completion_mask is"),
        (
            lambda: sequence_log_probs(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3), normalise="avg"),
            "expected 'sum' or 'mean'",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [1, 2, 2047, 2048, 2053, 4096, 6143, 50257])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_size_of_the_vocabulary(size, dtype):
    logits = (torch.randn(1, 3, size, generator=torch.Generator().manual_seed(size)) * 6).to(dtype)
    ids = torch.tensor([[0, size - 1, size // 2]])
    exact = plain(logits.double(), ids, 1)
    torch.testing.assert_close(token_log_probs(logits, ids).double(), exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("low", [-torch.inf, -1e9, -200.0, torch.finfo(torch.float32).min])
@pytest.mark.parametrize("place", [0, slice(0, 4), slice(2048, 4096), slice(4000, 4099), slice(1, None)])
def test_masked_parts_of_the_vocabulary(low, place):
    logits = torch.randn(1, 2, 4099, generator=torch.Generator().manual_seed(5))
    logits[..., place] = low
    logits = torch.stack([logits[0], logits[0].flip(-1)])
    logits[1, 0, 0] = 1e3
    ids = torch.tensor([[0, 7], [4098, 2050]])
    exact = plain(logits.double(), ids, 1)
    torch.testing.assert_close(token_log_probs(logits, ids).double(), exact, rtol=1e-6, atol=1e-5)
