r"""Appendix A.4 as printed: the gradient with chosen and rejected exchanged.

    eqs. 21, 22:    grad L = -E[ s'(u)/s(u) grad u ],    u = rhat(y_l) - rhat(y_w).

This is the gradient of the loss with the two answers exchanged: descent along it pulls the rejected answer up and pushes the
chosen one down. The corrected line is claim D26, and the display after eq. 7 (claim D09) has the right sign.
"""

import sympy as sp

from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta
from dpo_theory.claims.pairs import h_chosen, h_rejected, slope_in_chosen
from dpo_theory.proof import Step


def slope_as_printed(price):
    """-s'(u)/s(u) du / d log pi(y_w|x), u = rhat(y_l) - rhat(y_w)."""
    x = sp.Symbol("x", real=True)
    sigmoid = 1 / (1 + sp.exp(-x))
    u = price * h_rejected - price * h_chosen
    return -(sp.diff(sigmoid, x) / sigmoid).subs(x, u) * sp.diff(u, h_chosen)


def derive():
    yield Step(
        "the derivative in log pi(y_w|x), as printed",
        slope_in_chosen(beta),
        slope_as_printed(beta),
        "eq. 22",
        sizes="",
    )


def certify():
    """At pi = pi_ref with beta = 1, in exact arithmetic."""
    at_reference = {h_chosen: 0, h_rejected: 0}
    yield Measured(
        "one comparison, pi = pi_ref, beta = 1: slope of the loss in log pi(y_w|x)",
        sp.Rational(slope_in_chosen(sp.S.One).subs(at_reference)),
        sp.Rational(slope_as_printed(sp.S.One).subs(at_reference)),
        exact=True,
    )


CLAIM = Claim(
    id="E1",
    aliases=("a4-printed",),
    statement=__doc__,
    source=Source(PAPER, "App. A.4, eqs. 21 and 22 as printed"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
