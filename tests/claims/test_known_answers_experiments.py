"""Numbers about the experiments' methods, in fractions and in 40 digits, computed without our formulas; each check shown to fire."""

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest

from bandits import policies
from dpo_theory import optimal
from dpo_theory.claims import d36_numbers_in_tables, e7_infinite_answers, frontier, registry, runner
from dpo_theory.evidence import Verdict
from dpo_theory.instances import T1

REWARD = (1, 0, -1)


@pytest.fixture
def ref():
    with mp.workdps(40):
        yield [mp.mpf(p) / 10 for p in (5, 3, 2)]


def tilted(ref, beta):
    weights = [p * mp.exp(r / beta) for p, r in zip(ref, REWARD, strict=True)]
    return [w / mp.fsum(weights) for w in weights], mp.fsum(weights)


def point(policy, ref):
    """Mean reward and KL."""
    mean = mp.fsum(p * r for p, r in zip(policy, REWARD, strict=True))
    return mean, mp.fsum(p * mp.log(p / q) for p, q in zip(policy, ref, strict=True) if p)


def frontier_at(kl, ref):
    """Reward of the frontier at this KL."""
    price = mp.findroot(lambda b: point(tilted(ref, b)[0], ref)[1] - kl, (mp.mpf("0.3"), mp.mpf(2)), solver="anderson")
    return point(tilted(ref, price)[0], ref)[0]


FRONTIER = {
    "0.1": ("0.999972759135282", "0.692847531501471"),
    "0.25": ("0.988866095314591", "0.637549405327442"),
    "0.5": ("0.911941877799588", "0.432205139104264"),
    "1": ("0.741936030266022", "0.19224544750602"),
    "2": ("0.564400144458858", "0.062529129613416"),
    "5": ("0.415986091560079", "0.0113906147020328"),
}


@pytest.mark.parametrize("beta", FRONTIER)
def test_the_frontier_of_the_worked_instance(beta, ref):
    exact = point(tilted(ref, mp.mpf(beta))[0], ref)
    policy = optimal.optimal_log_policy(T1().reward, T1().log_ref, float(beta))
    computed = float(np.exp(policy[0]) @ REWARD), float(optimal.kl_divergence(policy, T1().log_ref)[0])
    for digits, independent, number in zip(FRONTIER[beta], exact, computed, strict=True):
        assert float(independent) == pytest.approx(float(digits), rel=1e-14)
        assert number == pytest.approx(float(digits), rel=1e-12)


def test_preferred_fine_tuning_of_the_worked_instance(ref):
    wins = [[1 / (1 + mp.exp(s - r)) for s in REWARD] for r in REWARD]
    borda = [mp.fsum(q * p for q, p in zip(ref, row, strict=True)) for row in wins]
    policy = [2 * p * b for p, b in zip(ref, borda, strict=True)]
    mean, kl = point(policy, ref)
    found = policies.preferred_fine_tuning(T1(), distinct=False)[0]
    np.testing.assert_allclose(np.exp(found), [float(p) for p in policy], rtol=1e-14)
    assert mp.nstr(mean, 6) == "0.549363"
    assert mp.nstr(kl, 6) == "0.0558478"
    assert mp.nstr(frontier_at(kl, ref), 6) == "0.55061"
    short = frontier.shortfall(T1().reward[0], T1().log_ref[0], found)
    assert short == pytest.approx(float(frontier_at(kl, ref) - mean), rel=1e-6)


def test_unlikelihood_of_the_worked_instance(ref):
    wins = [[1 / (1 + mp.exp(s - r)) for s in REWARD] for r in REWARD]
    borda = [mp.fsum(q * p for q, p in zip(ref, row, strict=True)) for row in wins]
    assert mp.nstr(min(b / (1 - b) for b in borda), 6) == "0.316281"
    win, loss = policies.win_and_loss_law(T1(), distinct=False)
    assert float(np.min(win / loss)) == pytest.approx(float(min(b / (1 - b) for b in borda)), rel=1e-14)
    policy = [(2 * p * b - 2 * p * (1 - b) / 5) / (1 - mp.mpf(1) / 5) for p, b in zip(ref, borda, strict=True)]
    found = np.exp(policies.unlikelihood(T1(), 0.2, distinct=False))[0]
    np.testing.assert_allclose(found, [float(p) for p in policy], rtol=1e-14)
    assert found.round(4).tolist() == [0.7182, 0.2376, 0.0442]


def test_distinct_answers_move_the_threshold():
    win, loss = policies.win_and_loss_law(T1())
    assert float(np.min(win / loss)) == pytest.approx(0.21264, abs=5e-6)
    assert np.exp(policies.unlikelihood(T1(), 0.2)).round(4).tolist() == [[0.7552, 0.2381, 0.0067]]


@pytest.mark.parametrize(("count", "kl", "best"), [(2, "0.16482", "0.713051"), (4, "0.484487", "0.936322"), (8, "0.669563", "0.996093")])
def test_best_of_n_of_the_worked_instance(count, kl, best, ref):
    up_to = [Fraction(1), Fraction(1, 2), Fraction(1, 5), Fraction(0)]
    law = [up_to[i] ** count - up_to[i + 1] ** count for i in range(3)]
    found = np.exp(policies.best_of_n(T1(), count))[0]
    np.testing.assert_allclose(found, [float(p) for p in law], rtol=1e-13)
    mean, spent = point([mp.mpf(p.numerator) / p.denominator for p in law], ref)
    assert mp.nstr(spent, 6) == kl
    assert mp.nstr(frontier_at(spent, ref), 6) == best
    assert mean < frontier_at(spent, ref)
    assert spent < mp.log(count) - mp.mpf(count - 1) / count


def test_two_rewards_put_best_of_four_on_the_frontier():
    law = [1 - Fraction(7, 10) ** 4, Fraction(7, 10) ** 4]
    assert [float(p) for p in law] == [0.7599, 0.2401]


def test_two_token_trees_by_hand():
    step, later = (0.1, 0.9), (0.2, 0.8)
    kls = [sum(p * np.log(2 * p) for p in law) for law in (step, later)]
    whole = kls[0] + 0.9 * kls[1] + 0.9 * 0.8 * kls[1]
    edges = registry.load("D28").edges
    assert f"{whole:.6f}" in edges["prefixes drawn from pi"]().expected
    assert f"{whole / 3:.6f}" in edges["added, not averaged"]().got


def test_intervals_of_58_percent_of_272():
    low, high = d36_numbers_in_tables.wilson(0.58, 272)
    with mp.workdps(30):
        z, p, n = mp.sqrt(2) * mp.erfinv(mp.mpf("0.95")), mp.mpf("0.58"), 272
        ends = mp.polyroots([1 + z**2 / n, -(2 * p + z**2 / n), p**2])
    assert [low, high] == pytest.approx(sorted(float(end) for end in ends), rel=1e-13)
    assert (round(low, 2), round(high, 2)) == (0.52, 0.64)


def test_the_reward_of_an_undefined_optimum_grows_for_ever():
    few, more, many = (e7_infinite_answers._undefined(10**power)[0] for power in (3, 4, 5))
    assert few < more / 4 < many / 16


REFUTED_BY = {
    "E3": "reward by eq. 5",
    "E4": "minimisers that the search finds",
    "E6": "beta log pi*/pi_ref",
    "E7": "(a) log Z",
    "E8": "loss at pi*",
    "E9": "pi* > 0",
    "E10": "its KL against that of pi*",
    "E11": "log-odds among decided",
    "E12": "theta by eq. 7",
    "E13": "the first pair compared twice as often",
}


@pytest.mark.parametrize("id", REFUTED_BY)
def test_a_false_reading_falls_by_the_number_that_it_is_about(id):
    row = runner.run(registry.load(id))
    assert row.verdict is Verdict.REFUTED
    assert REFUTED_BY[id] in row.counterexample.problem


def test_the_second_reading_of_e7_falls_by_the_mean_reward_alone():
    part = runner.run(registry.load("E7"), only=("search",))
    assert "(b) E[r]" in part.counterexample.problem


FAULTS = {
    "D28": ("certificate", "dpo_theory.optimal.kl_divergence", lambda p, q: np.exp(p).sum(-1) * 0 + np.sum(np.exp(q) * (q - p), axis=-1)),
    "D29": ("certificate", "dpo_theory.optimal.log_partition", lambda r, a, b: np.logaddexp.reduce(r / b, axis=-1) - np.log(r.shape[-1])),
    "D30": ("search", "dpo_theory.optimal.optimal_log_policy", lambda r, a, b: r / b - np.logaddexp.reduce(r / b, axis=-1, keepdims=True)),
    "D32": ("certificate", "bandits.policies.fine_tuning", lambda counts: np.log(counts**2 / (counts**2).sum(-1, keepdims=True))),
    "D33": ("search", "bandits.policies.fine_tuning", lambda counts: np.log((counts + 1) / (counts + 1).sum(-1, keepdims=True))),
    "D34": ("search", "bandits.policies.unlikelihood", lambda bandit, alpha, **_: policies.preferred_fine_tuning(bandit)),
    "D35": ("certificate", "bandits.policies.best_of_n", lambda bandit, n, **_: bandit.log_ref),
}


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_in_the_formula_is_noticed(id, monkeypatch):
    part, name, wrong = FAULTS[id]
    claim = registry.load(id)
    assert runner.run(claim, only=(part,)).verdict is Verdict.HOLDS
    monkeypatch.setattr(name, wrong)
    assert runner.run(claim, only=(part,)).verdict is Verdict.REFUTED


def test_labels_with_a_little_noise_have_an_optimum(monkeypatch):
    claim = registry.load("D31")
    monkeypatch.setattr("dpo_theory.claims.d31_deterministic_labels._decided", lambda b: noisy(b.reward))
    assert runner.run(claim, only=("search",)).verdict is Verdict.REFUTED


def noisy(reward):
    """(X, A, A) the better answer wins 9 times in 10."""
    return 0.5 + 0.4 * np.sign(reward[:, :, None] - reward[:, None, :])


def test_a_changed_percentage_is_noticed(monkeypatch):
    monkeypatch.setitem(d36_numbers_in_tables.TABLE_2, "DPO", (272, 0.47, 0.54, 0.55))
    assert runner.run(registry.load("D36"), only=("certificate",)).verdict is Verdict.REFUTED
