"""Identities on a live batch: each fires on its fault and is silent without it."""

import numpy as np
import pytest
import torch

import dpo_theory
from bandits.data import PairLogProbs
from dpo_theory.evidence import Verdict
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.ipo import IPO
from dpo_theory.monitor import Memory, check_batch

LOSS = DPO(beta=0.1)


def drawn(backend="numpy", moved=1.0, count=6):
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 40, (2, count)).astype(float)
    reference = -lengths * rng.uniform(0.8, 1.5, (2, count))
    policy = reference + moved * rng.normal(0.0, 3.0, (2, count))
    columns = (*policy, *reference, *lengths)
    return PairLogProbs(*(torch.tensor(column) if backend == "torch" else column for column in columns))


def failed(*args, **options):
    return [row.id for row in check_batch(*args, **options).failed]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_right_batch_passes(backend):
    pairs = drawn(backend)
    rewards = (0.1 * pairs.chosen_log_ratio, 0.1 * pairs.rejected_log_ratio)
    report = check_batch(
        pairs,
        LOSS,
        step=3,
        reported=float(LOSS(pairs).mean()),
        rewards=rewards,
        margins=rewards[0] - rewards[1],
        memory=Memory(),
        ids=range(6),
    )
    assert report.passed, str(report)
    assert {row.id for row in report if row.verdict == Verdict.NOT_APPLICABLE} == {"first-step", "reference-constant"}
    assert check_batch(drawn(backend, moved=0.0), LOSS, step=0).passed
    assert "beta = 0.1" in report["rewards-scale"].method


def test_it_is_exported():
    assert dpo_theory.check_batch is check_batch


def test_four_log_probabilities_and_lists():
    pairs = PairLogProbs([-3.0, -4.0], [-5.0, -4.0], [-3.5, -4.0], [-4.0, -4.5])

    def loss(policy_chosen, policy_rejected, ref_chosen, ref_rejected):
        return np.logaddexp(0.0, -0.1 * (policy_chosen - policy_rejected - ref_chosen + ref_rejected)).mean()

    assert check_batch(pairs, loss).passed


FAULTS = {
    "finite": lambda p: ((p._replace(policy_chosen=p.policy_chosen * np.where(np.arange(6) == 2, np.nan, 1)), LOSS), {}),
    "log-probs-negative": lambda p: ((p._replace(policy_chosen=-p.policy_chosen), LOSS), {}),
    "reported-loss": lambda p: ((p, LOSS), {"reported": float(LOSS(p).sum())}),
    "rewards-scale": lambda p: ((p, LOSS), {"rewards": (0.1 * p.policy_chosen, 0.1 * p.policy_rejected)}),
    "margin-difference": lambda p: (
        (p, LOSS),
        {"rewards": (0.1 * p.chosen_log_ratio, 0.1 * p.rejected_log_ratio), "margins": -0.1 * p.margin},
    ),
    "jensen": lambda p: ((p, LOSS), {"reported": 0.5 * float(LOSS(p).mean())}),
    "same-sums": lambda p: ((p._replace(ref_chosen=p.policy_chosen / p.chosen_tokens), LOSS), {}),
    "first-step": lambda p: ((p, LOSS), {"step": 0}),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_each_fault_is_told(rule):
    args, options = FAULTS[rule](drawn())
    assert rule in failed(*args, **options)
    assert check_batch(*args, **options)[rule].counterexample.because


def test_a_reference_that_is_the_policy():
    pairs = drawn(moved=0.0)
    assert failed(pairs._replace(ref_chosen=pairs.policy_chosen), LOSS) == ["reference-apart"]
    assert failed(pairs, LOSS, step=5) == ["reference-apart"]
    torch_pairs = drawn("torch")
    assert failed(torch_pairs._replace(ref_chosen=torch_pairs.policy_chosen.view(-1)), LOSS) == ["reference-apart"]
    assert failed(torch_pairs._replace(ref_chosen=torch_pairs.ref_chosen.clone().requires_grad_()), LOSS) == ["reference-apart"]


def test_the_first_loss_is_not_log_2():
    pairs = drawn(moved=0.0)
    row = check_batch(pairs, LOSS, step=0, reported=4 * np.log(2.0) * 60)["first-step"]
    assert row.failed
    assert "times log 2" in row.counterexample.because
    assert check_batch(pairs, IPO(tau=0.1), step=0).passed


def test_a_reference_that_changes():
    memory = Memory()
    pairs = drawn()
    assert failed(pairs, LOSS, memory=memory, ids=range(6)) == []
    assert check_batch(pairs, LOSS, memory=memory, ids=range(6))["reference-constant"].instances == 6
    assert failed(pairs._replace(ref_chosen=pairs.ref_chosen + 0.5), LOSS, memory=memory, ids=range(6)) == ["reference-constant"]
    assert len(memory) == 6


def test_lengths_and_sizes_are_notes():
    pairs = drawn()
    longer = check_batch(pairs._replace(chosen_tokens=2 * pairs.chosen_tokens), LOSS)
    assert longer.passed
    assert longer["length-parity"].verdict == Verdict.REFUTED
    means = PairLogProbs(*(column / pairs.chosen_tokens for column in pairs[:4]), *pairs[4:6])
    assert check_batch(means, LOSS)["sums"].verdict == Verdict.REFUTED


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"ids": range(5)}, "ids name 5 pairs"),
        ({}, {"memory": Memory()}, "memory needs ids"),
        ({"ref_chosen": np.zeros(5)}, {}, r"ref_chosen has shape \(5,\), expected \(6,\)"),
        ({"policy_chosen": np.zeros(())}, {}, r"expected \(N,\)"),
        ({}, {"margins": np.zeros(2)}, "margins has shape"),
    ],
)
def test_bad_input_is_refused(change, options, message):
    with pytest.raises(ValueError, match=message):
        check_batch(drawn()._replace(**change), LOSS, **options)


def test_what_is_no_batch_is_refused():
    with pytest.raises(ValueError, match="expected PairLogProbs"):
        check_batch(3, LOSS)
    with pytest.raises(ValueError, match="tolerance"):
        Memory(tolerance=0)


def test_memory_is_bounded():
    memory = Memory(most=2)
    assert memory.changed("abc", [-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0]) == []
    assert memory.known("abc") == 2
