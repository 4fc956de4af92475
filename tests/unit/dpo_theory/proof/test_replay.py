"""The replay agrees with arithmetic that is written out, and refuses what it does not know."""

import mpmath as mp
import pytest
import sympy as sp

from dpo_theory.proof import Row, Total, evaluate, row
from dpo_theory.proof.row import n

r = row("r")
R = sp.IndexedBase("r", real=True)
x, y = sp.symbols("x y", real=True)
k = sp.Symbol("k", integer=True, positive=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sp.Rational(1, 3), mp.mpf(1) / 3),
        (sp.pi + sp.E, mp.pi + mp.e),
        (x * y - x**2, mp.mpf(2) * 3 - 4),
        (x ** sp.Rational(1, 2), mp.sqrt(2)),
        (sp.exp(x) / (1 + sp.exp(y)), mp.exp(2) / (1 + mp.exp(3))),
        (sp.log(x + y), mp.log(5)),
        (r.sum(), mp.mpf(12)),
        (R[k] * 10, mp.mpf(50)),
        (Total(k**2, k, 1, n), mp.mpf(14)),
        (Total(R[k], k, k, n), mp.mpf(10)),  # the outer k = 2 is the first index
        (Total(R[k], k, 2, 1), mp.mpf(0)),
        (Row(lambda i: Total(R[k], k, i, n)).sum(), mp.mpf(2 + 2 * 5 + 3 * 5)),
    ],
)
def test_evaluates(expression, expected):
    values = {R: [2, 5, 5], n: 3, x: 2, y: 3, k: 2}
    with mp.workdps(30):
        assert mp.almosteq(evaluate(sp.sympify(expression), values), expected, 1e-14)


def test_precision_is_that_of_the_context():
    with mp.workdps(50):
        value = evaluate(sp.log(sp.Integer(2)) - sp.log(x), {x: 2})
        third = evaluate(sp.Rational(1, 3), {})
        assert abs(value) < 1e-48
        assert abs(3 * third - 1) < 1e-48


def test_opaque_functions_can_be_given():
    f = sp.Function("f")
    assert evaluate(f(x) + 1, {x: 3, f: lambda v: v**2}) == 10


def test_a_letter_without_value_is_refused():
    with pytest.raises(KeyError):
        evaluate(x + 1, {})


@pytest.mark.parametrize(("expression", "name"), [(sp.sin(x), "sin"), (sp.Float(0.5) * x, "Float")])
def test_an_unknown_function_and_an_inexact_number_are_refused(expression, name):
    with pytest.raises(ValueError, match=f"the replay does not know {name}"):
        evaluate(expression, {x: 1})
