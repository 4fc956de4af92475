r"""Every data set has a DPO optimum.

    for every finite set of comparisons some policy minimises eq. 7.

One comparison has none: the loss falls for ever as its margin grows. A minimiser exists exactly if, however the answers are split in
two, each part beats the other at least once (Ford 1957); claim D07c states what then follows, claim D08 how likely it is.
"""

import numpy as np
import sympy as sp

from bandits import solve
from bandits.data import Comparisons, PairLogProbs
from bandits.problem import TabularBandit
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    margin = sp.Symbol("m", real=True)
    slope = sp.diff(dpo.DPO(beta)(PairLogProbs(margin, 0, 0, 0)), margin)
    yield Step("one comparison: the slope vanishes at some margin m", slope, 0, "as it must at a minimiser", sizes="")


def search():
    bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    found = solve.minimise_loss(bandit, dpo.DPO(bandit.beta), Comparisons([0], [0], [1]))
    yield Measured("one comparison, 1 over 2: minimisers that the search finds", np.isfinite(found.log_policy).all(), 1.0)


CLAIM = Claim(
    id="E4",
    aliases=("mle-exists",),
    statement=__doc__,
    source=Source(PAPER, "sections 3 and 4: argmin of eqs. 2 and 7 over a data set"),
    derive=derive,
    search=search,
    expects="refuted",
)
