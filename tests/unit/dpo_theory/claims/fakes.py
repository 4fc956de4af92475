"""Small claims that end in every verdict, for the tests of the machinery."""

from fractions import Fraction

import sympy as sp

from dpo_theory.claims.claim import Claim, Measured, Source, breaks
from dpo_theory.proof import Step, row

x = sp.Symbol("x", real=True)


def true_step():
    yield Step("a square", (x + 1) ** 2, x**2 + 2 * x + 1, "expand", sizes="every n")


def false_step():
    yield Step("a square", (x + 1) ** 2, x**2 + 1, "forgets the middle", sizes="every n")


def open_step():
    yield Step("Cauchy", row("a").each(lambda v: v**2).sum() + 1, row("a").sum() / 10**6 - 1, relation=">=")


def exact(got=1, expected=1):
    def certify():
        yield Measured("a fraction", Fraction(got, 3), Fraction(expected, 3), exact=True)

    return certify


def measured(error=0.0, **fields):
    def certify(bandit, rng):
        yield Measured("a number", 1.0 + error, 1.0, **fields)

    return certify


def broken_edge():
    return breaks(True, problem="p", expected="e", got="g", because="b", reproduce="print(1)")


def idle_edge():
    return breaks(False, problem="p", expected="e", got="g", because="b")


def claim(**fields):
    return Claim(**{"id": "D99", "statement": "A name.\n\nThe statement.", "source": Source("A paper"), **fields})
