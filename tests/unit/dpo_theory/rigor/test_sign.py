"""Signs on all of R: decided where theory decides, never overstated."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.rigor.balls import arithmetic
from dpo_theory.rigor.sign import sign_on_reals
from dpo_theory.rigor.tail import tail_sign

m = sp.Symbol("m", real=True)
EPS = sp.Rational(1, 10)


def s(x):
    return 1 / (1 + sp.exp(-x))


def softplus(x):
    return sp.log(1 + sp.exp(x))


LOSSES = {
    "logistic": softplus(-m),
    "exponential": sp.exp(-m),
    "squared": (m - 1) ** 2,
    "savage": s(-m) ** 2,
    "cdpo": (1 - EPS) * softplus(-m) + EPS * softplus(m),
    "rdpo": ((1 - EPS) * softplus(-m) - EPS * softplus(m)) / (1 - 2 * EPS),
    "exo": s(m) * (-softplus(-m) - sp.log(1 - EPS)) + s(-m) * (-softplus(m) - sp.log(EPS)),
    "discopop": (1 - s(20 * m)) * softplus(-m) + s(20 * m) * sp.exp(-m),
    "sigmoid": s(-m),
    "target": softplus(-m + sp.Rational(1, 2)),
}
#            loss: decreasing, convex, bounded below by 0
DECIDED = {
    "logistic": ("-", "+", "+"),
    "exponential": ("-", "+", "+"),
    "squared": ("mixed", "+", "+"),
    "savage": ("-", "mixed", "+"),
    "cdpo": ("mixed", "+", "+"),
    "rdpo": ("-", "+", "mixed"),
    "exo": ("mixed", "mixed", "+"),
    "discopop": ("mixed", "mixed", "+"),
    "sigmoid": ("-", "mixed", "+"),
    "target": ("-", "+", "+"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_monotone_convex_and_bounded_below_on_all_of_r(name):
    loss = LOSSES[name]
    slope, curve, floor = (sign_on_reals(e, m) for e in (sp.diff(loss, m), sp.diff(loss, m, 2), loss + sp.Rational(1, 10**6)))
    assert (slope.sign, curve.sign, floor.sign) == DECIDED[name]
    assert slope.everywhere
    assert curve.everywhere
    assert floor.everywhere


@pytest.mark.parametrize("name", LOSSES)
def test_witnesses_of_a_mixed_sign_are_real(name):
    for order in (1, 2):
        g = sp.diff(LOSSES[name], m, order)
        found = sign_on_reals(g, m)
        if found.sign == "mixed":
            below, above = (sp.N(g.subs(m, sp.Rational(w.numerator, w.denominator)), 40) for w in (found.below, found.above))
            assert below < 0 < above


@pytest.mark.parametrize(
    ("g", "sign"),
    [
        ((sp.exp(m) - 2) ** 2, "0+"),
        (-((sp.exp(m) - 2) ** 2), "0-"),
        ((sp.exp(m) - 2) ** 3, "mixed"),
        ((sp.exp(m) - 2) ** 2 * (sp.exp(m) - 3) ** 2, "0+"),
        (sp.exp(m) - sp.exp(m), "0"),
        (sp.exp(m / 3) + sp.exp(-m / 2) - 1, "+"),
        (1 / (sp.exp(m) - 2), "?"),
        (sp.Abs(m), "?"),
        (m**2, "?"),
    ],
)
def test_equality_poles_and_kinks(g, sign):
    assert sign_on_reals(g, m).sign == sign


def test_a_crossing_far_outside_the_box_is_not_missed():
    far = sp.exp(m / 10) - 1000  # changes sign at m = 69
    assert sign_on_reals(far, m).sign == "mixed"
    assert sign_on_reals(m - 40, m).sign == "mixed"
    assert not sign_on_reals(m - 400, m).positive
    assert not sign_on_reals(m - 40, m).positive
    assert not sign_on_reals(40 - m, m).positive
    assert not sign_on_reals(softplus(m) - 60, m).positive


def test_a_tail_that_is_open_is_not_called_everywhere():
    found = sign_on_reals(2 + sp.log(1 + m**2 * sp.exp(-(m**2))), m)
    assert not found.everywhere
    assert not found.positive


def test_another_variable_is_refused():
    assert sign_on_reals(sp.exp(m) + sp.Symbol("x"), m).sign == "?"


@pytest.mark.parametrize("name", ["arb", "iv"])
def test_tails_in_both_arithmetics(name):
    numbers = arithmetic(name)
    with numbers.digits(30):
        assert tail_sign(m - softplus(m), m, 12, numbers).sign == "-"
        assert tail_sign(softplus(-m), m, 12, numbers).sign == "+"
        assert tail_sign(m * sp.exp(-m) - sp.exp(-m / 2), m, 12, numbers).sign == "-"
        assert tail_sign(sp.exp(m**2), m, 12, numbers).sign == "?"


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-6, 6)), min_size=1, max_size=4))
def test_sums_of_exponentials_against_a_grid(terms):
    g = sum(c * sp.exp(sp.Rational(k, 2) * m) for k, c in terms)
    found = sign_on_reals(g, m)
    grid = np.linspace(-8, 8, 401)
    values = sum(c * np.exp(k / 2 * grid) for k, c in terms) + 0 * grid
    if found.sign == "+":
        assert (values > -1e-9).all()
    if found.sign == "-":
        assert (values < 1e-9).all()
    if (values > 1e-6).any() and (values < -1e-6).any():
        assert found.sign == "mixed"
