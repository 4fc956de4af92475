import numpy as np
import pytest

from dpo_theory.lm.setting import tiny_setting
from dpo_theory.lm.train import frontier_gap, train
from dpo_theory.losses.ipo import IPO


@pytest.fixture(scope="module")
def setting():
    return tiny_setting(vocab=3, length=2, beta=0.9, width=32)


def test_dpo_on_the_population_reaches_the_rlhf_optimum(setting):
    done = train(setting, steps=60, every=60)
    assert done.snapshots[0].kl_to_optimum > 0.1
    assert done.snapshots[-1].kl_to_optimum < 1e-4
    assert done.snapshots[-1].frontier_gap < 1e-4


def test_the_exact_policy_gradient_reaches_it_too(setting):
    assert train(setting, data="rlhf", steps=60, every=60).snapshots[-1].kl_to_optimum < 1e-4


def test_a_restricted_class_ends_at_two_different_projections():
    setting = tiny_setting(vocab=4, length=2, beta=0.4, width=4)
    dpo, rlhf = (train(setting, data=data, trainable="head", steps=60, every=60).snapshots[-1] for data in ("population", "rlhf"))
    assert dpo.kl_to_optimum > 1e-2
    assert rlhf.reward - setting.beta * rlhf.kl > dpo.reward - setting.beta * dpo.kl + 1e-4


def test_another_loss_has_another_optimum(setting):
    done = train(setting, IPO(tau=0.5), steps=60, every=60)
    assert done.snapshots[-1].loss < done.snapshots[0].loss
    assert done.snapshots[-1].kl_to_optimum > 1e-3


def test_mass_of_seen_and_unseen_completions_sums_to_one():
    done = train(tiny_setting(vocab=5, length=2, width=16), data="sampled", pairs=60, steps=20, every=5)
    for s in done.snapshots:
        assert s.chosen + s.rejected + s.unseen == pytest.approx(1, abs=1e-12)
    assert done.snapshots[0].unseen > 0
    assert done.snapshots[-1].rejected < done.snapshots[0].rejected


def test_two_runs_give_the_same_bits(setting):
    assert train(setting, data="all-pairs", steps=5, every=5) == train(setting, data="all-pairs", steps=5, every=5)


def test_no_policy_lies_above_the_frontier():
    rng = np.random.default_rng(0)
    log_ref, reward = np.log(rng.dirichlet(np.ones(6))), rng.normal(size=6)
    for _ in range(50):
        p = rng.dirichlet(np.ones(6) * 0.5)
        kl = float(np.sum(p * (np.log(np.maximum(p, 1e-300)) - log_ref)))
        assert frontier_gap(log_ref, reward, kl, float(p @ reward)) > -1e-9
    best = log_ref + reward / 0.7
    best -= np.logaddexp.reduce(best)
    kl, value = float(np.exp(best) @ (best - log_ref)), float(np.exp(best) @ reward)
    assert abs(frontier_gap(log_ref, reward, kl, value)) < 1e-9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": "pairs"}, "data is 'pairs', expected one of population"),
        ({"optimiser": "sgd"}, "optimiser is 'sgd'"),
        ({"trainable": "none"}, "trainable is 'none'"),
        ({"steps": 0}, "expected at least 1"),
        ({"loss": lambda pairs: pairs.margin * float("nan")}, "the loss is nan"),
    ],
)
def test_bad_input_is_refused(setting, change, said):
    with pytest.raises(ValueError, match=said):
        train(setting, **change)


def test_too_many_pairs_are_refused():
    with pytest.raises(ValueError, match="have too many pairs to hold"):
        train(tiny_setting(vocab=8, length=4), steps=1)
