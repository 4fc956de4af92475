"""Fingerprints against links that are solved here by another road: mpmath's own derivative and root finding."""

import dataclasses
import functools

import mpmath as mp
import numpy as np
import pytest

from bandits.data import PairLogProbs
from dpo_theory import losses
from dpo_theory._xp import exp, relu, softplus
from dpo_theory.evidence import Verdict
from dpo_theory.fingerprint import fingerprint
from dpo_theory.losses import CDPO, DPO, EXO, IPO, NCA, DiscoPOP, ExponentialGPO, Hinge, RobustDPO, Savage, TruncatedQuadratic

# l(m), written out here once more.
WRITTEN = {
    DPO(beta=0.5): lambda m: mp.log1p(mp.exp(-m / 2)),
    CDPO(beta=0.5, epsilon=0.1): lambda m: mp.mpf("0.9") * mp.log1p(mp.exp(-m / 2)) + mp.mpf("0.1") * mp.log1p(mp.exp(m / 2)),
    RobustDPO(beta=1.0, epsilon=0.1): lambda m: 9 * mp.log1p(mp.exp(-m)) / 8 - mp.log1p(mp.exp(m)) / 8,
    IPO(tau=0.5): lambda m: (m - 1) ** 2,
    ExponentialGPO(beta=0.5): lambda m: mp.exp(-m / 2),
    Savage(beta=1.0): lambda m: (1 + mp.exp(m)) ** -2,
    EXO(beta=1.0, epsilon=0.1): lambda m: _exo(m, mp.mpf("0.1")),
    DiscoPOP(beta=1.0, tau=0.5): lambda m: _discopop(m),
    TruncatedQuadratic(beta=1.0): lambda m: max(0, 1 - m) ** 2,
    losses.SquaredGPO(beta=0.5): lambda m: (1 - m / 2) ** 2,
    losses.CELL(beta=1.0): lambda m: (mp.exp(-m) + mp.log1p(mp.exp(-m))) / 2,
    losses.DavidsonDPO(beta=1.0, nu=0.5): lambda m: mp.log(1 + mp.exp(-m) + mp.exp(-m / 2) / 2),
    losses.RaoKupperDPO(beta=1.0, nu=3.0): lambda m: mp.log1p(3 * mp.exp(-m)),
    losses.ODPO(beta=1.0): lambda m: mp.log1p(mp.exp(1 - m)),
    losses.HolderDPO(beta=1.0, gamma=1.5): lambda m: _holder(m, mp.mpf(3) / 2),
    losses.PADLL(beta=1.0): lambda m: mp.log1p(mp.exp(-m)) * (mp.mpf("0.9") if m > 0 else mp.mpf("0.45")),
}


def _holder(m, gamma):
    s = 1 / (1 + mp.exp(-m))
    return gamma * s ** (1 + gamma) - (1 + gamma) * s**gamma


def _exo(m, epsilon):
    q = 1 / (1 + mp.exp(-m))
    return q * mp.log(q / (1 - epsilon)) + (1 - q) * mp.log((1 - q) / epsilon)


def _discopop(m):
    gate = 1 / (1 + mp.exp(-2 * m))
    return (1 - gate) * mp.log1p(mp.exp(-m)) + gate * mp.exp(-m)


@functools.cache
def taken(loss):
    return fingerprint(loss)


@pytest.mark.parametrize("loss", WRITTEN, ids=repr)
@pytest.mark.parametrize("p", ["0.7", "0.9"])
def test_the_margin_aimed_at_is_the_root_of_the_expected_slope_to_ten_digits(loss, p):
    found, formula = taken(loss).aim(float(p)), WRITTEN[loss]
    if isinstance(loss, RobustDPO) and p == "0.9":
        assert found == float("inf")
        return
    with mp.workdps(40):
        chance = mp.mpf(p)
        root = mp.findroot(lambda m: chance * mp.diff(formula, m) - (1 - chance) * mp.diff(formula, -m), found * 1.01, tol=1e-25)
    assert found == pytest.approx(float(root), rel=1e-12, abs=1e-13)


def test_every_margin_loss_is_written_out_or_pinned():
    known = {type(loss) for loss in WRITTEN} | {Hinge, losses.RSO}
    made = [getattr(losses, name)() for name in losses.__all__]
    pairwise = [loss for loss in made if loss.takes is PairLogProbs and not type(loss).__name__.startswith("AOT")]  # AOT sees the batch
    assert {type(loss) for loss in pairwise if "margin-only" in loss.has} == known


def test_pinned_margins():
    assert taken(Hinge(beta=1.0)).aim(0.7) == taken(Hinge(beta=1.0)).aim(0.9) == 1.0
    assert taken(losses.RSO()).aim(0.7) == taken(losses.RSO()).aim(0.9) == pytest.approx(10.0, abs=1e-12)
    assert taken(losses.HolderDPO(gamma=2.0)).aim(0.7) == float("inf")  # l(m) + l(-m) is constant: it learns the order
    assert taken(CDPO(beta=0.5, epsilon=0.1)).aim(0.7) / 2 == pytest.approx(0.6632942174, abs=1e-10)
    assert taken(EXO(beta=1.0, epsilon=0.1)).aim(0.9) == pytest.approx(0.8 * np.log(9), abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "link", "inverse"),
    [
        (DPO(beta=0.5), "X/(X + 1), X = exp(m/2)", "2*log(p/(1 - p))"),
        (CDPO(beta=0.5, epsilon=0.1), "(9*X - 1)/(8*(X + 1)), X = exp(m/2)", "2*log((8*p + 1)/(9 - 8*p))"),
        (IPO(tau=0.5), "m/2 + 1/2", "2*p - 1"),
        (EXO(beta=1.0, epsilon=0.1), "m/(4*log(3)) + 1/2", "2*(2*p - 1)*log(3)"),
    ],
    ids=["DPO", "CDPO", "IPO", "EXO"],
)
def test_closed_forms(loss, link, inverse):
    assert taken(loss).link == link
    assert taken(loss).inverse == inverse


PROPER = {  # bt-proper, strictly-proper, calibrated
    DPO(beta=0.5): (True, True, True),
    Savage(beta=1.0): (True, True, True),
    ExponentialGPO(beta=0.5): (False, True, True),
    CDPO(beta=0.5, epsilon=0.1): (False, True, True),
    IPO(tau=0.5): (False, True, True),
    EXO(beta=1.0, epsilon=0.1): (False, True, True),
    RobustDPO(beta=1.0, epsilon=0.1): (False, False, True),
    Hinge(beta=1.0): (False, False, True),
    TruncatedQuadratic(beta=1.0): (False, True, True),
}


@pytest.mark.parametrize("loss", PROPER, ids=repr)
def test_properness(loss):
    names = ("bt-proper", "strictly-proper", "calibrated")
    assert tuple(taken(loss)[name].verdict.holds for name in names) == PROPER[loss]


def test_the_sign_of_a_loss_decides_whether_its_link_is_one():
    turned = fingerprint(lambda pairs: -softplus(-pairs.margin))
    assert not turned["strictly-proper"].verdict.holds
    assert not turned["bt-proper"].verdict.holds


def test_noise_symmetric_and_not_proper():
    found = fingerprint(lambda pairs: 1 / (1 + exp(pairs.margin)))
    assert found["noise-symmetric"].verdict is Verdict.PROVED
    assert not found["strictly-proper"].verdict.holds


def forward_kl(pairs):
    return softplus(-0.5 * (exp(-pairs.rejected_log_ratio) - exp(-pairs.chosen_log_ratio)))


def chi_squared_and_kl(pairs):
    x, y = pairs.chosen_log_ratio, pairs.rejected_log_ratio
    return softplus(-0.5 * (x + exp(x) - y - exp(y)))


def penalised_where_the_chosen_falls(pairs):
    return softplus(-0.5 * (pairs.margin - 5 * relu(-pairs.chosen_log_ratio)))


def with_likelihood(pairs):
    return softplus(-pairs.margin) - 0.25 * pairs.policy_chosen


def each_by_itself(pairs):
    return 1 / (1 + exp(pairs.chosen_log_ratio)) + 1 / (1 + exp(-pairs.rejected_log_ratio))


@pytest.mark.parametrize(
    ("loss", "phi", "f"),
    [
        (DPO(beta=0.5), "phi(x) = x", "f(u) = u log u - u + 1"),
        (forward_kl, "phi(x) = 1 - exp(-x)", "f(u) = u - log(u) - 1"),
        (chi_squared_and_kl, "phi(x) = x/2 + exp(x)/2 - 1/2", "f(u) = u^2/4 + u*log(u)/2 - u + 3/4"),
    ],
)
def test_reward_and_divergence(loss, phi, f):
    found = taken(loss)
    assert (found.reward, found.divergence) == (phi, f)
    assert all(found[test].verdict.holds for test in ("T1", "T2", "T3", "divergence"))


@pytest.mark.parametrize(
    ("loss", "broken"),
    [(penalised_where_the_chosen_falls, "T2"), (with_likelihood, "T1"), (NCA(beta=0.5), "T2"), (each_by_itself, "divergence")],
)
def test_what_has_no_divergence_says_where_it_breaks(loss, broken):
    found = taken(loss)
    assert found[broken].verdict is Verdict.REFUTED
    assert not found.divergence


def test_the_mixed_derivative_alone_would_let_these_pass():
    assert taken(penalised_where_the_chosen_falls)["T1"].verdict.holds
    assert taken(NCA(beta=0.5))["T1"].verdict.holds


def test_an_opaque_loss_is_measured_and_says_so():
    found = fingerprint(lambda pairs: np.array([float(np.logaddexp(0, -0.5 * float(m))) for m in pairs.margin]))
    assert found.aim(0.7) == pytest.approx(2 * np.log(7 / 3), rel=1e-9)
    assert "opaque" in found.notes[0]
    assert Verdict.PROVED not in {s.verdict for s in found.statements}


@pytest.mark.parametrize("loss", [lambda a, b, c, d: a, 3], ids=["four arguments", "a number"])
def test_what_is_no_loss_of_pairs_is_refused(loss):
    with pytest.raises(ValueError, match=r"check_loss\(loss\).fingerprint|not callable"):
        fingerprint(loss)


@pytest.mark.parametrize("name", losses.__all__)
def test_every_pair_loss_of_the_library_has_one(name):
    kind = getattr(losses, name)
    if getattr(kind, "takes", None) is None or kind.takes.__name__ != "PairLogProbs" or not dataclasses.is_dataclass(kind):
        pytest.skip("no loss of pairs")
    try:
        found = taken(kind())
    except ValueError as error:
        assert "cannot be evaluated" in str(error)  # noqa: PT017
        return
    assert found.kind in ("margin", "reward", "none")
    assert str(found).startswith("Fingerprint")
    assert "<table>" in found._repr_html_()
