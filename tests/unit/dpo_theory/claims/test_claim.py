import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from tests.unit.dpo_theory.claims.fakes import broken_edge, claim, exact, idle_edge

finite = st.floats(-1e6, 1e6, allow_subnormal=False)


def test_a_source_reads_as_paper_and_place():
    assert str(Source("A paper", "eq. 4")) == "A paper, eq. 4"
    assert str(Source("A paper")) == "A paper"


def test_the_name_is_the_first_line():
    assert claim(certify=exact()).name == "A name"


def test_a_claim_needs_something_that_speaks_for_it():
    with pytest.raises(ValueError, match="D99 has neither derivation, certificate nor search"):
        claim()


@pytest.mark.parametrize(
    ("assumes", "edges", "odd"),
    [(("a",), {}, "a"), ((), {"b": broken_edge}, "b"), (("a",), {"b": broken_edge}, "b")],
)
def test_every_assumption_needs_its_edge_and_every_edge_its_assumption(assumes, edges, odd):
    with pytest.raises(ValueError, match=odd):
        claim(certify=exact(), assumes=assumes, edges=edges)


def test_a_claim_holds_or_is_refuted():
    with pytest.raises(ValueError, match="expects 'maybe'"):
        claim(certify=exact(), expects="maybe")


def test_an_edge_is_a_counterexample_only_where_it_breaks():
    assert idle_edge() is None
    found = broken_edge()
    assert (found.problem, found.expected, found.got, found.because, found.reproduce) == ("p", "e", "g", "b", "print(1)")
    assert breaks(np.bool_(False), problem="", expected="", got="", because="") is None


@given(finite, st.floats(1e-3, 1e3))
def test_a_number_meets_itself(value, scale):
    measured = Measured("x", value, value, scale)
    assert measured.residual == 0.0
    assert measured.met


@given(finite, st.floats(1e-6, 1e3), st.floats(1e-3, 1e3))
def test_the_residual_is_the_gap_over_the_scale(value, gap, scale):
    measured = Measured("x", value + gap, value, scale)
    assert measured.residual == pytest.approx((value + gap - value) / scale)
    assert measured.met == (measured.residual <= 1e-12)


def test_the_worst_entry_counts():
    assert Measured("x", [1.0, 2.5, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).residual == 0.25


def test_infinities_equal_themselves_and_nothing_else():
    assert Measured("x", [np.inf, -np.inf], [np.inf, -np.inf]).met
    assert not Measured("x", np.inf, -np.inf).met
    assert not Measured("x", np.inf, 1.0).met


@pytest.mark.parametrize("pair", [(np.nan, 0.0), (0.0, np.nan), (np.nan, np.nan), ([1.0, np.nan], 1.0)])
@pytest.mark.parametrize("relation", ["=", "<=", "<"])
def test_nan_is_never_met(pair, relation):
    measured = Measured("x", *pair, relation=relation)
    assert measured.residual == np.inf
    assert not measured.met


def test_an_order_is_met_from_below():
    assert Measured("x", [0.0, 1.0], 1.0, relation="<=").residual == 0.0
    assert Measured("x", 1.5, 1.0, relation="<=").residual == 0.5
    assert not Measured("x", 1.0, 1.0, relation="<").met
    assert Measured("x", 0.999, 1.0, relation="<").met


def test_exact_numbers_have_no_tolerance():
    third = sp.Rational(1, 3)
    assert Measured("x", third, third, exact=True).residual == 0.0
    assert not Measured("x", third + sp.Rational(1, 10**30), third, exact=True).met
    assert Measured("x", third, third + sp.Rational(1, 10**30), relation="<", exact=True).met
    assert not Measured("x", third, third, relation="<", exact=True).met


def test_a_claim_is_compared_by_identity():
    assert claim(certify=exact()) != claim(certify=exact())
    assert isinstance(claim(certify=exact()), Claim)
