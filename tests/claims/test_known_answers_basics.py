"""Numbers of the worked instance T1 and of the edges of sections 3 and 4, computed in 40 digits without our formulas."""

import mpmath as mp
import numpy as np
import pytest

from dpo_theory import optimal, preferences
from dpo_theory.claims import registry, runner
from dpo_theory.instances import T1

IDS = ("D01", "D02", "D02b", "D03", "D03b", "D04", "D04b", "D04c", "D04d", "D04e", "D05", "D06")
REWARD = (1, 0, -1)


@pytest.fixture
def exact():
    with mp.workdps(40):
        ref, beta = [mp.mpf(p) / 10 for p in (5, 3, 2)], mp.mpf(1) / 2
        weights = [p * mp.exp(r / beta) for p, r in zip(ref, REWARD, strict=True)]
        yield ref, beta, [w / mp.fsum(weights) for w in weights], mp.fsum(weights)


def kl(p, q):
    return mp.fsum(a * mp.log(a / b) for a, b in zip(p, q, strict=True))


def dpo_loss(policy, ref, beta):
    h = [beta * mp.log(p / q) for p, q in zip(policy, ref, strict=True)]
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    terms = [mp.log1p(mp.exp(h[j] - h[i])) / (1 + mp.exp(REWARD[j] - REWARD[i])) for i, j in pairs]
    return mp.fsum(terms) / 3


def test_the_worked_instance(exact):
    ref, beta, best, z = exact
    bandit = T1()
    log_pi = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    pinned = {
        "Z": (z, np.exp(optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta))[0], "4.02159510611265"),
        "pi*_1": (best[0], np.exp(log_pi)[0, 0], "0.918672305884251"),
        "pi*_2": (best[1], np.exp(log_pi)[0, 1], "0.0745972660310863"),
        "pi*_3": (best[2], np.exp(log_pi)[0, 2], "0.00673042808466268"),
        "E[r]": (best[0] - best[2], float(np.exp(log_pi[0]) @ REWARD), "0.911941877799588"),
        "KL": (kl(best, ref), optimal.kl_divergence(log_pi, bandit.log_ref)[0], "0.432205139104264"),
        "J*": (beta * mp.log(z), bandit.value(log_pi), "0.695839308247457"),
        "f(r)_1": (
            1 - beta * mp.log(z),
            optimal.project_reward(bandit.reward, bandit.log_ref, bandit.beta)[0, 0],
            "0.304160691752543",
        ),
    }
    for name, (independent, computed, digits) in pinned.items():
        assert mp.almosteq(independent, mp.mpf(digits), 1e-14), name
        assert float(computed) == pytest.approx(float(digits), rel=2e-14), name


def test_another_policy_falls_short_by_a_divergence(exact):
    ref, beta, best, z = exact
    policy = [mp.mpf(6) / 10, mp.mpf(3) / 10, mp.mpf(1) / 10]
    value = policy[0] - policy[2] - beta * kl(policy, ref)
    assert mp.almosteq(value, mp.mpf("0.479960891989811"), 1e-14)
    assert mp.almosteq(beta * mp.log(z) - value, beta * kl(policy, best), 1e-35)
    assert T1().value(np.log([[0.6, 0.3, 0.1]])) == pytest.approx(0.479960891989811, rel=1e-14)


def test_population_losses_under_equally_likely_pairs(exact):
    ref, beta, best, _ = exact
    pinned = [(best, "0.509913357621215"), (ref, "0.693147180559945")]
    pinned.append(([mp.mpf(p) / 10 for p in (6, 3, 1)], "0.617117312085439"))
    left, right = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 0, 2, 0, 1])
    p = np.exp(preferences.bradley_terry(T1().reward[0, left], T1().reward[0, right]))
    for policy, digits in pinned:
        assert mp.almosteq(dpo_loss(policy, ref, beta), mp.mpf(digits), 1e-14)
        h = optimal.implicit_reward(np.log(np.array(policy, dtype=float)), T1().log_ref[0], 0.5)
        assert -p @ preferences.bradley_terry(h[left], h[right]) / 3 == pytest.approx(float(digits), rel=1e-14)


def test_the_logistic_at_one():
    assert float(np.exp(preferences.bradley_terry(1.0, 0.0))) == pytest.approx(0.731058578630004879, rel=1e-15)


def test_twice_the_beta_takes_the_root_of_the_ratio(exact):
    ref, beta, best, _ = exact
    tempered = [q * mp.sqrt(p / q) for p, q in zip(best, ref, strict=True)]
    tempered = [w / mp.fsum(tempered) for w in tempered]
    assert mp.almosteq(tempered[0], mp.mpf("0.784398761700073"), 1e-14)
    again = np.exp(optimal.optimal_log_policy(T1().reward, T1().log_ref, 2 * float(beta)))[0]
    assert again == pytest.approx([float(w) for w in tempered], rel=1e-14)


def test_a_reward_with_infinite_mean():
    got = registry.load("D04e").edges["E_pi|r| and KL are finite"]().got
    partial = sum(1 / np.log(k) ** 2 for k in range(2, 1001)) / 2.109742801236892  # sum 1/(k log^2 k), to infinity
    assert f"E[r] [{partial:.1f}, 448.9, 2961.6]" in got


@pytest.mark.parametrize("id", IDS)
def test_the_claim_stands_and_every_assumption_is_needed(id):
    evidence = runner.run(registry.load(id))
    assert evidence.verdict == "PROVED", evidence.reason
    edges = [part for part in evidence.parts if part.kind == "edge"]
    assert edges
    assert all(part.counterexample is not None for part in edges)
