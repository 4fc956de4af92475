r"""Appendix A.4 as printed: the last line weighs a comparison by how right it is.

    grad L = -E[ beta s(rhat_w - rhat_l) (grad log pi(y_w|x) - grad log pi(y_l|x)) ].

The weight is s(rhat_l - rhat_w) (claims D09, D26): what the policy orders wrongly counts. At pi = pi_ref both are 1/2, so the
slip cannot be seen there; it shows at the first policy that orders a comparison.
"""

import sympy as sp

from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta
from dpo_theory.claims.pairs import h_chosen, h_rejected, slope_in_chosen
from dpo_theory.proof import Step


def slope_as_printed(price):
    """-beta s(rhat_w - rhat_l)."""
    return -price / (1 + sp.exp(price * h_rejected - price * h_chosen))


def derive():
    yield Step(
        "the derivative in log pi(y_w|x), as printed",
        slope_in_chosen(beta),
        slope_as_printed(beta),
        "A.4, last line",
        sizes="",
    )


def certify():
    """At pi = (3/4, 1/4) over a uniform reference with beta = 1, in exact arithmetic."""
    three_to_one = {h_chosen: sp.log(sp.Rational(3, 2)), h_rejected: sp.log(sp.Rational(1, 2))}
    yield Measured(
        "one comparison, pi = (3/4, 1/4), uniform reference, beta = 1: slope of the loss in log pi(y_w|x)",
        sp.Rational(sp.simplify(slope_in_chosen(sp.S.One).subs(three_to_one))),
        sp.Rational(sp.simplify(slope_as_printed(sp.S.One).subs(three_to_one))),
        exact=True,
    )


CLAIM = Claim(
    id="E1b",
    aliases=("a4-last-line",),
    statement=__doc__,
    source=Source(PAPER, "App. A.4, the final gradient as printed"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
