import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_theory.lm import TinyLM, TinyLMConfig, count_completions, every_completion, walk
from dpo_theory.lm.enumerate import levels
from dpo_theory.lm.statements.prefix_tree import one_by_one


def model(vocab=4, seed=0, dtype=torch.float64):
    return TinyLM(TinyLMConfig(vocab=vocab, positions=16, width=16, heads=2, sharpness=3.0), seed=seed, dtype=dtype)


def as_dict(tokens, log_probs):
    return {tuple(t for t in row if t >= 0): p for row, p in zip(tokens.tolist(), log_probs.tolist(), strict=True)}


@settings(deadline=None, max_examples=25)
@given(
    vocab=st.integers(2, 5), length=st.integers(1, 4), prompt=st.integers(1, 6), at_once=st.integers(1, 40), end=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_every_way_to_cut_the_tree_gives_each_completion_once_with_its_log_probability(vocab, length, prompt, at_once, end, seed):
    lm, eos = model(vocab, seed), (vocab - 1 if end else None)
    start = torch.arange(prompt) % vocab
    with torch.no_grad():
        tokens, lengths, (log_probs,) = every_completion([lm], start, length, eos=eos, nodes_at_once=at_once)
        alone = one_by_one(lm, start, tokens)
    found = as_dict(tokens, log_probs)
    assert len(found) == len(tokens) == count_completions(vocab, length, eos=eos)
    assert torch.allclose(log_probs, alone, rtol=1e-12, atol=1e-12)
    assert ((tokens >= 0).sum(1) == lengths).all()
    for completion in found:
        assert eos is None or (eos not in completion[:-1] and (len(completion) == length or completion[-1] == eos))


@pytest.mark.parametrize("ranks", [2, 3, 7])
@pytest.mark.parametrize("eos", [None, 1])
def test_ranks_share_the_tree_and_leave_nothing_out(ranks, eos):
    lm, prompt = model(), torch.tensor([2, 1])
    with torch.no_grad():
        parts = [list(walk([lm], prompt, 5, eos=eos, rank=rank, ranks=ranks, nodes_at_once=9)) for rank in range(ranks)]
        tokens, _, (log_probs,) = every_completion([lm], prompt, 5, eos=eos)
    together = {}
    for blocks in parts:
        assert blocks
        for block in blocks:
            for row, value in zip(block.tokens.tolist(), block.log_probs[0].tolist(), strict=True):
                assert tuple(row) not in together
                together[tuple(row)] = value
    expected = as_dict(tokens, log_probs)
    assert together.keys() == expected.keys()
    assert max(abs(together[key] - expected[key]) for key in expected) < 1e-12


def test_two_models_are_walked_in_step():
    one, other, prompt = model(seed=1), model(seed=2), torch.tensor([0, 3])
    with torch.no_grad():
        tokens, _, both = every_completion([one, other], prompt, 3, eos=0)
        for lm, log_probs in zip((one, other), both, strict=True):
            assert torch.allclose(log_probs, one_by_one(lm, prompt, tokens), atol=1e-12)


def test_levels_are_the_prefixes_that_go_on():
    found = levels([model()], torch.tensor([1]), 3, eos=2)
    assert [len(level.tokens) for level in found] == [1, 3, 9]
    assert 2 not in found[2].tokens
    assert torch.allclose(found[1].so_far[0], found[0].log_probs[0][0, [0, 1, 3]])


def test_the_gradient_goes_through_the_tree():
    lm, prompt = model(), torch.tensor([1, 2])
    tokens, _, (log_probs,) = every_completion([lm], prompt, 3)
    weights = torch.linspace(-1, 2, len(tokens), dtype=torch.float64)
    by_tree = torch.autograd.grad((weights * log_probs).sum(), list(lm.parameters()))
    by_row = torch.autograd.grad((weights * one_by_one(lm, prompt, tokens)).sum(), list(lm.parameters()))
    for left, right in zip(by_tree, by_row, strict=True):
        assert torch.allclose(left, right, atol=1e-11)


def test_the_same_seed_gives_the_same_weights_in_every_dtype():
    exact, rounded = model(dtype=torch.float64), model(dtype=torch.bfloat16)
    for left, right in zip(exact.parameters(), rounded.parameters(), strict=True):
        assert torch.equal(left.bfloat16(), right)


def test_a_tree_that_forgets_the_ancestors_is_noticed(monkeypatch):
    from dpo_theory.lm import model as room

    right = room.attend
    monkeypatch.setattr(room, "attend", lambda query, segments: right(query, [segments[0], segments[-1]]))
    lm, prompt = model(), torch.tensor([1, 2])
    with torch.no_grad():
        tokens, _, (log_probs,) = every_completion([lm], prompt, 3)
        assert (log_probs - one_by_one(lm, prompt, tokens)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length": 0}, "length is 0, expected at least 1"),
        ({"eos": 4}, "eos is 4, expected one of the tokens 0, ..., 3"),
        ({"models": []}, "no model given"),
        ({"models": [model(4), model(5)]}, r"the models have \[4, 5\] tokens"),
        ({"prompt": torch.zeros(0, dtype=torch.long)}, "begin with a start token"),
        ({"prompt": torch.zeros(20, dtype=torch.long)}, "does not fit the 16 positions"),
    ],
)
def test_bad_input_is_refused(change, said):
    asked = {"models": [model()], "prompt": torch.tensor([1]), "length": 2, "eos": None} | change
    with pytest.raises(ValueError, match=said):
        list(walk(asked["models"], asked["prompt"], asked["length"], eos=asked["eos"]))


def test_weights_that_are_not_numbers_are_refused():
    lm = model()
    with torch.no_grad():
        lm.head.weight[1, 0] = float("nan")
    with pytest.raises(ValueError, match="not a number"):
        list(walk([lm], torch.tensor([1]), 2))


def test_counts_do_not_overflow():
    assert count_completions(64, 40) == 64**40
    assert np.isfinite(float(count_completions(64, 40, eos=0)))
