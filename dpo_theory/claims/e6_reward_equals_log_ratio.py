r"""Section 5.1 as printed: the reward is beta times the log-ratio.

    r*(x, y) = beta log pi*(y|x)/pi_ref(y|x).

The two differ by beta log Z(x): they are equal as classes of rewards, not as rewards. Corrected: beta log pi*/pi_ref is the
representative f(r*) of the class of r* (claim D18).
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source
from dpo_theory.claims.letters import beta, k, log_ref, reward
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step("the reward of answer k", optimal.implicit_reward(best, log_ref, beta)[k], reward[k], "section 5.1")


def certify():
    reward, log_ref = np.array([[1.0, 0.0]]), np.log([[0.5, 0.5]])
    best = optimal.optimal_log_policy(reward, log_ref, 1.0)
    implied = optimal.implicit_reward(best, log_ref, 1.0)
    yield Measured("ref = (1/2, 1/2), r = (1, 0), beta = 1: beta log pi*/pi_ref", implied, reward)


CLAIM = Claim(
    id="E6",
    aliases=("r-equals-log-ratio",),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, the equation between r* and the log-ratio"),
    derive=derive,
    certify=certify,
    expects="refuted",
)
