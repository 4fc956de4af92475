import math

import pytest
import torch

from dpo_theory.lm import TinyLM, TinyLMConfig, every_completion, expect, log_partition, log_sum, sequence_kl
from dpo_theory.lm.budget import cost, require_budget

PROMPT = torch.tensor([1, 2])


def model(seed=0, vocab=5):
    return TinyLM(TinyLMConfig(vocab=vocab, positions=16, width=16, heads=2, sharpness=3.0), seed=seed, dtype=torch.float64)


def everything(*models, eos=0):
    with torch.no_grad():
        return every_completion(models, PROMPT, 3, eos=eos)


def test_sums_agree_with_everything_at_once_however_small_the_blocks():
    policy, ref = model(1), model(2)
    tokens, _, (p, q) = everything(policy, ref)
    reward = (tokens == 3).sum(1).double()
    exact = float(torch.logsumexp(q + reward / 0.4, 0)), float((p.exp() * (p - q)).sum())
    for at_once in (1, 7, 10**6):
        found = log_partition(ref, PROMPT, 3, lambda t: (t == 3).sum(1).double(), 0.4, eos=0, nodes_at_once=at_once)
        assert found == pytest.approx(exact[0], abs=1e-13)
        assert sequence_kl(policy, ref, PROMPT, 3, eos=0, nodes_at_once=at_once) == pytest.approx(exact[1], abs=1e-13)


def test_large_rewards_do_not_overflow():
    big = log_partition(model(), PROMPT, 3, lambda t: torch.full((len(t),), 5000.0), 0.5)
    assert big == pytest.approx(10000.0, abs=1e-9)


def test_a_completion_left_out_by_minus_infinity_counts_nothing():
    (found,) = log_sum([model()], PROMPT, 2, [lambda b: torch.where(b.tokens[:, 0] == 1, b.log_probs[0], -torch.inf)])
    with torch.no_grad():
        assert float(found) == pytest.approx(float(model().start(PROMPT).log_probs[0, 1]), abs=1e-13)
    assert float(log_sum([model()], PROMPT, 2, [lambda b: torch.full((len(b.tokens),), -torch.inf)])) == -math.inf


@pytest.mark.parametrize(
    ("function", "said"),
    [(lambda b: torch.zeros(1), "has shape"), (lambda b: b.log_probs[0] * torch.nan, "is nan at the completion")],
)
def test_functions_that_give_no_number_per_completion_are_refused(function, said):
    with pytest.raises(ValueError, match=said):
        log_sum([model()], PROMPT, 2, [function])
    with pytest.raises(ValueError, match=said):
        expect([model()], PROMPT, 2, [function])


def test_the_divergence_is_refused_where_the_reference_is_zero():
    class Never:
        vocab = 5

        def __init__(self):
            self.inner = model(3)

        def start(self, prompt):
            nodes = self.inner.start(prompt)
            return nodes._replace(log_probs=nodes.log_probs.index_fill(1, torch.tensor([2]), -torch.inf))

        extend, select = property(lambda self: self.inner.extend), property(lambda self: self.inner.select)

    with torch.no_grad(), pytest.raises(ValueError, match="must be finite"):
        sequence_kl(model(), Never(), PROMPT, 2)


def test_no_sum_keeps_the_tree():
    sizes = []
    log_sum([model()], PROMPT, 5, [lambda b: (sizes.append(len(b.tokens)), b.log_probs[0])[1]], nodes_at_once=50)
    assert sum(sizes) == 5**5
    assert max(sizes) <= 50 * 5


def test_beta_must_be_positive():
    with pytest.raises(ValueError, match="beta is 0"):
        log_partition(model(), PROMPT, 2, lambda t: torch.zeros(len(t)), 0)


def test_the_budget_counts_and_names_what_fits():
    lm = model(vocab=8)
    assert cost(lm, PROMPT, 4).completions == 4096
    with pytest.raises(ValueError, match=r"(?s)length 30 over 8 tokens means .* completions, .*, .*the largest length that fits is \d+"):
        require_budget(lm, PROMPT, 30)
    with pytest.raises(ValueError, match="not even length 1 fits"):
        require_budget(lm, PROMPT, 3, seconds=0.0)
