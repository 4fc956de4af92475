r"""Appendix A.4 as printed: the gradient with chosen and rejected exchanged.

    eqs. 21, 22 and the last line:    grad L = -E[ s'(u)/s(u) grad u ],    u = rhat(y_l) - rhat(y_w).

This is the gradient of the loss with the two answers exchanged: it pushes the rejected answer up. The corrected line is claim
D26, and the display after eq. 7 (claim D09) has the right sign.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta
from dpo_theory.losses.dpo import DPO
from dpo_theory.proof import Step


def derive():
    chosen, rejected = sp.symbols("h_w h_l", real=True)
    loss = DPO(beta)(PairLogProbs(chosen, rejected, sp.S.Zero, sp.S.Zero))
    u = beta * rejected - beta * chosen
    slope = 1 / (1 + sp.exp(u))
    yield Step(
        "the derivative in log pi(y_w|x), as printed",
        sp.diff(loss, chosen),
        -slope * sp.diff(u, chosen),
        "eq. 21",
        sizes="",
    )


def certify(bandit, rng):
    pairs = PairLogProbs(np.log(0.5), np.log(0.5), np.log(0.5), np.log(0.5))
    pull, _ = DPO(bandit.beta).gradient(pairs)
    yield Measured("the slope in log pi(y_w|x) at the reference, as printed", pull, bandit.beta / 2)


CLAIM = Claim(
    id="E1",
    aliases=("a4-printed",),
    statement=__doc__,
    source=Source(PAPER, "App. A.4, eqs. 21 and 22 as printed"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
