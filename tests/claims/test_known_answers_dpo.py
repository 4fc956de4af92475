"""Numbers of the DPO loss, from fractions and mpmath; none of our formulas makes its own expectation."""

from dataclasses import replace
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest

from bandits.data import Comparisons, PairLogProbs
from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory.claims import d07b_dpo_recovers_rlhf as d07b
from dpo_theory.claims import d07c_same_finite_sample_answer as d07c
from dpo_theory.claims import d08_consistency as d08
from dpo_theory.claims import d11_naive_objective_degenerates as d11
from dpo_theory.claims import d12_reference_initialisation as d12
from dpo_theory.claims import e14_chosen_likelihood_rises as e14
from dpo_theory.claims import registry
from dpo_theory.instances import T1
from dpo_theory.losses.dpo import DPO


def s(x):
    return 1 / (1 + mp.exp(-mp.mpf(x)))


def one(policy_chosen, policy_rejected, ref_chosen=0.5, ref_rejected=0.5):
    return PairLogProbs(*np.log([[policy_chosen], [policy_rejected], [ref_chosen], [ref_rejected]]))


def test_the_loss_of_one_comparison_is_a_log_of_a_fraction():
    """beta = 1: s(z) = a/(a + b) with the probability ratios a = 3/2 and b = 1/2, or a = 5/6 and b = 5/2."""
    assert DPO(1.0)(one(0.75, 0.25))[0] == pytest.approx(float(mp.log(Fraction(4, 3))), rel=1e-14)
    assert DPO(1.0)(one(0.5, 0.5, 0.6, 0.2))[0] == pytest.approx(float(mp.log(4)), rel=1e-14)
    assert DPO(2.0)(one(0.75, 0.25))[0] == pytest.approx(float(mp.log(Fraction(10, 9))), rel=1e-14)


def test_the_gradient_at_the_reference_in_logits():
    """Three answers, 1 beats 2, beta = 1/2, any reference: (-1/4, 1/4, 0)."""
    pull, push = DPO(0.5).gradient(one(0.5, 0.3, 0.5, 0.3))
    gradient = np.array([pull[0], push[0], 0.0])
    assert (gradient - np.array([0.5, 0.3, 0.2]) * gradient.sum()).tolist() == [-0.25, 0.25, 0.0]


def test_mass_outside_the_support_is_free():
    loss = s(1) * -mp.log(s(1)) + s(-1) * -mp.log(s(-1))
    assert mp.nstr(loss, 10) == "0.5822031089"
    assert "0.5822031089 at t = 1, 1/2 and 1/100" in d07b.unsupported().got


def test_seven_of_ten():
    """beta = 1/2, uniform reference: odds (7/3)^2, so pi = 49/58."""
    bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), 0.5)
    found = minimise_loss(bandit, DPO(0.5), Comparisons([0, 0], [0, 1], [1, 0], [7.0, 3.0]))
    assert found.policy[0] == pytest.approx([49 / 58, 9 / 58], rel=1e-12)


def test_two_to_one_is_a_reward_difference_of_log_two():
    strength = d07c.reward_mle(Comparisons([0, 0], [0, 1], [1, 0], np.array([2.0, 1.0])), (1, 2))[0]
    assert strength[0] - strength[1] == pytest.approx(float(mp.log(2)), rel=1e-12)


def test_one_logit_for_three_contexts():
    direct, two_stage = (mp.log(Fraction(139, 161)), (mp.log(99) - 2 * mp.log(4)) / 3)
    found = d07c.one_logit_for_three_contexts()
    assert f"theta = {float(direct):.4f}" in found.got
    assert f"{float(two_stage):.4f}" in found.expected
    assert direct < 0 < two_stage


def test_the_midpoint_that_breaks_convexity_in_probabilities():
    """s(z) = 1/10, 1/4, 1: midpoint log 4 lies above the average log(10)/2 by .2350."""
    losses = DPO(1.0)(PairLogProbs(np.log([0.5, 0.75]), np.log([0.5, 0.25]), np.log(0.9), np.log(0.1)))
    assert losses == pytest.approx([float(mp.log(10)), float(mp.log(4))], rel=1e-14)
    assert round(float(mp.log(4) - mp.log(10) / 2), 4) == 0.235
    assert registry.load("D07d").edges["coordinates are log-ratios or logits"]().got == "1.3863"


def test_the_law_of_the_winner_on_the_worked_instance():
    ref, reward = [mp.mpf(5) / 10, mp.mpf(3) / 10, mp.mpf(2) / 10], (1, 0, -1)

    def law(distinct):
        raw = [mp.fsum(2 * ref[i] * ref[j] * s(reward[i] - reward[j]) for j in range(3) if not (distinct and i == j)) for i in range(3)]
        return [float(w / mp.fsum(raw)) for w in raw]

    assert [round(w, 4) for w in law(distinct=True)] == [0.6379, 0.2716, 0.0905]
    assert [round(w, 4) for w in law(distinct=False)] == [0.6455, 0.2584, 0.0961]
    bandit = T1()
    closed = 2 * np.exp(bandit.log_ref[0]) * (d12.beats(bandit)[0] @ np.exp(bandit.log_ref[0]))
    assert closed == pytest.approx(law(distinct=False), rel=1e-14)
    assert str(np.round(law(distinct=True), 4).tolist()) in d12.distinct_answers().got


def test_what_the_unweighted_objective_pulls_on_the_worked_instance():
    """Uniform pairs: c_1 = (2/3)(tanh(1/2)/2 + tanh(1)/2) and c_2 = 0 by symmetry."""
    expected = (mp.tanh(0.5) + mp.tanh(1)) / 3
    _, mass, surplus = d11.tally(T1())
    assert mass.sum() == pytest.approx(1.0)
    assert surplus[0] == pytest.approx([float(expected), 0.0, -float(expected)], abs=1e-15)


def test_the_chosen_answer_that_falls():
    policy = [Fraction(1, 6), Fraction(1, 6), Fraction(2, 3)]
    assert e14.flow(policy, {(0, 1): Fraction(1, 4), (2, 1): Fraction(3, 4)}) == [
        Fraction(-1, 16),
        Fraction(-11, 16),
        Fraction(3, 16),
    ]
    assert e14.flow(policy, {(0, 1): Fraction(1)})[0] == Fraction(1, 2)


def test_the_printed_gradients():
    by_id = {id: next(iter(registry.load(id).certify())) for id in ("E1", "E1b")}
    assert (by_id["E1"].got, by_id["E1"].expected) == (Fraction(-1, 2), Fraction(1, 2))
    assert (by_id["E1b"].got, by_id["E1b"].expected) == (Fraction(-1, 4), Fraction(-3, 4))


@pytest.mark.parametrize(("stretch", "met"), [(1.0, True), (1.25, False)])
def test_the_statistic_notices_errors_a_quarter_too_large(monkeypatch, stretch, met):
    honest = d08.minimise_loss

    def stretched(bandit, *args):
        found = honest(bandit, *args)
        best = bandit.log_ref + bandit.reward / bandit.beta
        best = best - np.logaddexp.reduce(best, axis=-1, keepdims=True)
        return replace(found, log_policy=best + stretch * (found.log_policy - best))

    monkeypatch.setattr(d08, "minimise_loss", stretched)
    (measured,) = d08.search(T1(), np.random.default_rng(0))
    assert measured.met is met
