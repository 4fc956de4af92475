"""Classes of rewards, the projection, the normaliser: numbers from exact fractions and fifty-digit arithmetic, and sabotage."""

from fractions import Fraction
from itertools import permutations

import mpmath
import numpy as np
import pytest

from dpo_theory import _xp, optimal, preferences, rewards
from dpo_theory.claims import registry, reinforce, runner
from dpo_theory.evidence import Verdict
from dpo_theory.instances import T1

HOLD = ["D14", "D15", "D16", "D17", "D18", "D19", "D20", "D21", "D22", "D22a", "D22b", "D22c", "D22d", "D23", "D23b"]

REF = (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5))
REWARD = (1, 0, -1)


@pytest.fixture(scope="module")
def exact():
    """log Z, the projection and pi* of T1 to fifty digits."""
    with mpmath.workdps(50):
        weights = [mpmath.mpf(p.numerator) / p.denominator * mpmath.exp(2 * r) for p, r in zip(REF, REWARD, strict=True)]
        log_z = mpmath.log(mpmath.fsum(weights))
        return {
            "value": log_z / 2,
            "projection": [r - log_z / 2 for r in REWARD],
            "policy": [w / mpmath.fsum(weights) for w in weights],
        }


def spread(policy, signal):
    """tr Cov of signal(y) (e_y - pi), from the definition, in whatever numbers come in."""
    places = range(len(policy))
    drawn = [[signal[y] * ((y == a) - policy[a]) for a in places] for y in places]
    mean = [sum(policy[y] * drawn[y][a] for y in places) for a in places]
    return sum(policy[y] * sum((drawn[y][a] - mean[a]) ** 2 for a in places) for y in places)


@pytest.mark.parametrize("id", HOLD)
def test_claim_is_proved_for_every_size(id):
    evidence = runner.run(registry.load(id))
    assert evidence.verdict == Verdict.PROVED
    assert evidence.sizes in ("every n", "every K; every n")
    assert not evidence.failed


def test_projection_of_t1(exact):
    bandit = T1()
    found = optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)[0]
    assert found == pytest.approx([float(v) for v in exact["projection"]], rel=1e-14)
    assert found.round(4).tolist() == [0.3042, -0.6958, -1.6958]


def test_every_letter_of_d18_is_an_alias():
    assert registry.resolve([f"D18{letter}" for letter in "abcdefghi"]) == ("D18",)


def test_raising_one_reward_lowers_the_projection_elsewhere():
    log_ref = np.log([[0.5, 0.5]])
    before, after = (optimal.project_reward(np.array([r]), log_ref, 1.0)[0, 0] for r in ([0.0, 0.0], [0.0, np.log(3)]))
    assert before == 0.0
    assert after == pytest.approx(-np.log(2), rel=1e-15)


def test_local_modulus_of_t1_is_met_by_a_small_step(exact):
    bandit, h = T1(), 1e-6
    away = h * np.array([[-1.0, -1.0, 1.0]])
    up, down = (optimal.project_reward(bandit.reward + s * away, bandit.log_ref, bandit.beta) for s in (1, -1))
    assert float((up - down)[0, 2]) / (2 * h) == pytest.approx(2 * (1 - float(exact["policy"][2])), abs=1e-8)


def test_a_shift_keeps_every_ranking_probability_exactly():
    def ranking(weights):
        chance = Fraction(1)
        for place in range(len(weights)):
            chance *= weights[place] / sum(weights[place:])
        return chance

    weights = [Fraction(1), Fraction(2), Fraction(5)]
    for order in permutations(range(3)):
        chosen = [weights[i] for i in order]
        assert ranking(chosen) == ranking([7 * w for w in chosen])
        found = preferences.plackett_luce(np.log([[float(w) for w in chosen]]))
        assert float(np.exp(found[0])) == pytest.approx(float(ranking(chosen)), rel=1e-14)


def test_variance_by_formula_by_table_and_by_fractions():
    policy, signal = [Fraction(1, 7), Fraction(2, 7), Fraction(4, 7)], [Fraction(3), Fraction(-1), Fraction(1, 2)]
    wanted = spread(policy, signal)
    assert reinforce.variance_by_table(np.array(policy), np.array(signal)) == wanted
    assert reinforce.variance(np.array(policy), np.array(signal)) == wanted


def test_variances_at_the_reference_of_t1(exact):
    raw, mean = spread(REF, REWARD), spread(REF, [r - Fraction(3, 10) for r in REWARD])
    norms = [1 - 2 * p + sum(q * q for q in REF) for p in REF]
    best = sum(p * r * n for p, r, n in zip(REF, REWARD, norms, strict=True)) / sum(p * n for p, n in zip(REF, norms, strict=True))
    optimum = spread(REF, [r - best for r in REWARD])
    normal = spread([mpmath.mpf(p.numerator) / p.denominator for p in REF], exact["projection"])
    assert (raw, mean, best) == (Fraction(939, 5000), Fraction(1236, 5000), Fraction(-3, 310))
    assert optimum < raw < mean
    assert float(mean) < float(normal)
    statement = registry.load("D22d").statement
    for number in (raw, normal, mean, optimum, best):
        assert f"{float(number):.4f}".replace("0.", ".", 1) in statement


def test_variance_at_the_optimum_of_t1(exact):
    bandit = T1()
    wanted = exact["value"] ** 2 * (1 - mpmath.fsum(p * p for p in exact["policy"]))
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    raw = bandit.reward - bandit.beta * (best - bandit.log_ref)
    assert float(reinforce.variance_by_table(np.exp(best)[0], raw[0])) == pytest.approx(float(wanted), rel=1e-13)
    assert mpmath.nstr(wanted, 5) == "0.072838"


def test_bias_of_the_human_baseline_of_t1(exact):
    with mpmath.workdps(50):
        kl = mpmath.fsum(
            mpmath.mpf(p.numerator) / p.denominator * mpmath.log(mpmath.mpf(p.numerator) / p.denominator / q)
            for p, q in zip(REF, exact["policy"], strict=True)
        )
        bias = exact["value"] - mpmath.mpf(3) / 10
        assert abs(bias - kl / 2) < mpmath.mpf(10) ** -45
    assert f"{float(bias):.4f}".replace("0.", ".", 1) in registry.load("D23").statement


def test_both_sentences_of_e5_are_refuted():
    evidence = runner.run(registry.load("E5"))
    assert {part.kind: part.verdict for part in evidence.parts} == {
        "proof": Verdict.REFUTED,
        "certificate": Verdict.REFUTED,
    }
    assert not evidence.failed
    got = next(part.residual for part in evidence.parts if part.kind == "certificate")
    assert got == pytest.approx(float(mpmath.log(mpmath.cosh(1)) ** 2 / 2), rel=1e-12)


def test_theorem_1_without_support_is_refuted_and_its_twin_is_not():
    assert runner.run(registry.load("E2")).verdict == Verdict.REFUTED
    assert runner.run(registry.load("D17")).verdict == Verdict.PROVED


def test_e2_holds_on_the_same_problem_once_the_reference_has_support():
    log_ref = np.log([[0.5, 0.4, 0.1]])
    best = optimal.optimal_log_policy([[0.0, 0.0, 1.0]], log_ref, 1.0)
    found = optimal.implicit_reward(best, log_ref, 1.0)[0]
    assert found[2] - found[0] == pytest.approx(1.0, rel=1e-15)


def scores(reward, log_ref, beta):
    return log_ref + reward / beta


SABOTAGE = {
    "reference forgotten in eq. 8": (
        ("D18", "D19", "D20", "D22"), optimal, "project_reward",
        lambda r, a, b: r - b * _xp.logsumexp(r / b + 0 * a, keepdims=True),
    ),
    "beta forgotten in eq. 8": (
        ("D14", "D18", "D22b", "D22c"), optimal, "project_reward",
        lambda r, a, b: r - _xp.logsumexp(scores(r, a, b), keepdims=True),
    ),
    "sign of eq. 8": (
        ("D18", "D19", "D22"), optimal, "project_reward",
        lambda r, a, b: r + b * _xp.logsumexp(scores(r, a, b), keepdims=True),
    ),
    "normaliser dropped": (
        ("D16", "D17", "D21", "D22a", "D22b", "D23"), optimal, "optimal_log_policy", scores,
    ),
    "beta inverted": (
        ("D16", "D17", "D21", "D23b"), optimal, "optimal_log_policy",
        lambda r, a, b: a + r * b - _xp.logsumexp(a + r * b, keepdims=True),
    ),
    "reference dropped from the log-ratio": (
        ("D17", "D20", "D21"), optimal, "implicit_reward", lambda q, a, b: b * q + 0 * a,
    ),
    "KL reversed": (("D18", "D22", "D23"), optimal, "kl_divergence", lambda q, a: _xp.expect(a, a - q)),
    "rejected reward forgotten": (("D15",), preferences, "bradley_terry", lambda w, lost: _xp.log_sigmoid(w + 0 * lost)),
    "one class for all rewards": (("D14", "D16", "D20"), rewards, "same_class", lambda r, s: True),
    "mean left in the variance": (
        ("D22c",), reinforce, "variance_by_table", lambda p, s: (p * (reinforce.estimates(p, s) ** 2).sum(axis=1)).sum(),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_is_caught(name, monkeypatch):
    ids, module, attribute, wrong = SABOTAGE[name]
    monkeypatch.setattr(module, attribute, wrong)
    for id in ids:
        assert runner.run(registry.load(id)).failed, id
