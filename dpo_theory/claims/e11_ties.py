r"""Ties can be dropped: what is left is Bradley-Terry with the same rewards.

    P(i wins) / P(j wins) = exp(r_i - r_j)    among comparisons that are not tied.

Under Rao and Kupper's model, P(i wins) = s(r_i - r_j - a) with a > 0, the odds among decided comparisons are larger, and DPO on them fits
margins that are too wide. Dropping ties is harmless under Davidson's model, P(i wins) ~ e^{r_i}, P(tie) ~ nu e^{(r_i + r_j)/2}.
The paper has no model of ties.
"""

import numpy as np
import sympy as sp

from dpo_theory import preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.proof import Step


def derive():
    gap, threshold = sp.Symbol("z", real=True), sp.Symbol("a", positive=True)
    won, lost = (preferences.bradley_terry(sign * gap, threshold) for sign in (1, -1))
    yield Step("log-odds of a decided comparison under Rao-Kupper", won - lost, gap, "if ties could be dropped", sizes="")


def certify():
    threshold = np.log(3.0)  # half of the comparisons of equals are ties
    won, lost = preferences.bradley_terry(np.array([1.0, -1.0]), np.full(2, threshold))
    yield Measured("r_i - r_j = 1, a = log 3: log-odds among decided comparisons", won - lost, 1.0)


CLAIM = Claim(
    id="E11",
    aliases=("ties",),
    statement=__doc__,
    source=Source(PAPER, "eq. 1 read for data with ties; Rao and Kupper 1967, Davidson 1970"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
