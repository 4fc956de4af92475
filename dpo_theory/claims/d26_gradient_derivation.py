r"""The derivation of the gradient, Appendix A.4 corrected.

    grad L_DPO = -E[ s'(u)/s(u) grad u ] = -E[ s(-u) grad u ],    u = rhat(y_w) - rhat(y_l),

and with rhat = beta log pi/pi_ref this is the display after eq. 7. The paper prints u with y_w and y_l exchanged in eqs. 21 and
22 (claim E1) and weighs by s(rhat_w - rhat_l) in the last line (claim E1b).

Why: L = -E log s(u), and s'(u)/s(u) = 1 - s(u) = s(-u).
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k, t
from dpo_theory.claims.pairs import N, batch, compared, every_pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def sigmoid(x):
    return 1 / (1 + sp.exp(-x))


def derive():
    x = sp.Symbol("x", real=True)
    yield Step("s'/s = 1 - s", sp.diff(sigmoid(x), x) / sigmoid(x), 1 - sigmoid(x), "s' = s (1 - s)", sizes="")
    yield Step("1 - s(x) = s(-x)", 1 - sigmoid(x), sigmoid(-x), sizes="")
    loss = dpo.DPO(beta)
    theta = sp.Symbol("theta", real=True)
    f_w, f_l = (sp.Function(name)(theta) for name in ("F_w", "F_l"))
    ref_w, ref_l = sp.symbols("a_w a_l", real=True)
    u = beta * (f_w - ref_w) - beta * (f_l - ref_l)
    slope = sp.diff(loss(PairLogProbs(f_w, f_l, ref_w, ref_l)), theta)
    ratio = (sp.diff(sigmoid(x), x) / sigmoid(x)).subs(x, u)
    yield Step("eq. 21 with y_w first, eq. 22", slope, -ratio * sp.diff(u, theta), "chain rule on -log s(u)", sizes="")
    yield Step(
        "the last line",
        slope,
        -beta * sigmoid(-u) * (sp.diff(f_w, theta) - sp.diff(f_l, theta)),
        "the display after eq. 7",
        sizes="",
    )
    pairs, v, w = batch(), row("v", N), row("u", N)
    moved = pairs._replace(policy_chosen=pairs.policy_chosen + t * v, policy_rejected=pairs.policy_rejected + t * w)
    chosen, rejected = (part[k] for part in loss.rewards(pairs))
    yield Step(
        "for each of N comparisons",
        sp.diff(loss(moved)[k], t).subs(t, 0),
        -beta * sigmoid(rejected - chosen) * (v - w)[k],
        "E is the sum over k",
        sizes="every N",
    )


def certify(bandit, rng):
    """s'(u)/s(u) by numerical differentiation of log s at 50 digits, against the gradient that the loss offers."""
    import mpmath as mp

    pairs = compared(random_log_policy(bandit, rng), bandit, every_pair(bandit))
    loss = dpo.DPO(bandit.beta)
    pull = -loss.gradient(pairs)[0]
    u = bandit.beta * pairs.margin
    with mp.workdps(50):
        exact = [mp.diff(lambda y: mp.log(1 / (1 + mp.exp(-y))), mp.mpf(float(y))) for y in u]
    yield Measured("beta s'(u)/s(u)", pull, bandit.beta * np.array(exact, dtype=float), bandit.beta * (1 + np.abs(u)))


def exchanged():
    pairs = PairLogProbs(*np.log([[0.75], [0.25], [0.5], [0.5]]))
    right = -float(dpo.DPO(1.0).gradient(pairs)[0][0])
    u = np.log(0.25 / 0.5) - np.log(0.75 / 0.5)
    printed = -1 / (1 + np.exp(u))
    return breaks(
        right > 0 > printed,
        problem="pi = (3/4, 1/4), uniform reference, beta = 1, u = rhat(y_l) - rhat(y_w) as printed",
        expected=f"pull on the chosen answer {right:.4f}",
        got=f"{printed:.4f}",
        because="with u reversed the chosen answer is pushed down",
    )


CLAIM = Claim(
    id="D26",
    aliases=("a4",),
    statement=__doc__,
    source=Source(PAPER, "App. A.4, eqs. 21 and 22, corrected"),
    assumes=("u = rhat(y_w) - rhat(y_l)",),
    derive=derive,
    certify=certify,
    edges={"u = rhat(y_w) - rhat(y_l)": exchanged},
)
