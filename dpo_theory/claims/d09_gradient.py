r"""Gradient of the DPO loss.

    grad L_DPO = -beta E[ s(rhat_l - rhat_w) (grad log pi(y_w|x) - grad log pi(y_l|x)) ],    rhat = beta log pi/pi_ref,

for every parametrisation that is differentiable where it stands: v_w and v_l below are the velocities of the two
log-probabilities along any curve of parameters. In the logits of a softmax the velocities of a comparison are e_w - e_l.

Why: d/dz softplus(-z) = -s(-z), and the normaliser moves both log-probabilities alike.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from bandits.derivatives import derivatives
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, t
from dpo_theory.claims.pairs import N, batch, compared, every_pair, pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def derive():
    pairs = batch()
    loss = dpo.DPO(beta)
    chosen, rejected = loss.rewards(pairs)
    weight = 1 / (1 + (chosen - rejected).each(sp.exp))
    v, u = row("v", N), row("u", N)
    moved = pairs._replace(policy_chosen=pairs.policy_chosen + t * v, policy_rejected=pairs.policy_rejected + t * u)
    yield Step(
        "slope of comparison k along any curve",
        sp.diff(loss(moved)[k], t).subs(t, 0),
        (-beta * weight * (v - u))[k],
        "chain rule; E is the sum over k",
        sizes="every N",
    )
    yield Step("the weight is s(rhat_l - rhat_w)", loss.weight(pairs)[k], weight[k], "the margin, reversed", sizes="every N")
    yield Step("the pull on the chosen answer", loss.gradient(pairs)[0][k], (-beta * weight)[k], sizes="every N")
    yield Step("the push on the rejected answer", loss.gradient(pairs)[1][k], (beta * weight)[k], sizes="every N")
    theta = sp.Symbol("theta", real=True)
    f_w, f_l = (sp.Function(name)(theta) for name in ("F_w", "F_l"))
    single = PairLogProbs(f_w, f_l, *sp.symbols("a_w a_l", real=True))
    yield Step(
        "the display after eq. 7, with log pi(y_w|x) and log pi(y_l|x) any functions of theta",
        sp.diff(loss(single), theta),
        -beta * loss.weight(single) * (sp.diff(f_w, theta) - sp.diff(f_l, theta)),
        "one comparison",
        sizes="",
    )
    logits, direction = row("y"), row("v")
    softmax = [y - sp.log(y.each(sp.exp).sum()) for y in (logits, logits + t * direction)]
    yield Step(
        "in logits",
        sp.diff(loss(pair(softmax[1], i, j)), t).subs(t, 0),
        -beta * loss.weight(pair(softmax[0], i, j)) * (direction[i] - direction[j]),
        "the normaliser's slope cancels",
    )


def certify(bandit, rng):
    """Automatic differentiation of the loss against the printed gradient, at a random policy."""
    pairs = compared(random_log_policy(bandit, rng), bandit, every_pair(bandit))
    loss = dpo.DPO(bandit.beta)
    found = derivatives(loss, pairs).gradient
    z = bandit.beta * (pairs.policy_chosen - pairs.ref_chosen - pairs.policy_rejected + pairs.ref_rejected)
    printed = bandit.beta * np.exp(-np.logaddexp(0, z))
    scale = bandit.beta * (1 + np.abs(z))
    yield Measured("derivative in log pi(y_w|x)", found[:, 0], -printed, scale)
    yield Measured("derivative in log pi(y_l|x)", found[:, 1], printed, scale)
    yield Measured("the gradient that the loss offers", np.stack(loss.gradient(pairs), axis=-1), found, scale[:, None])


def kink():
    def slope(step):
        chosen = np.log(0.5 - abs(step))
        pairs = PairLogProbs(*np.array([[chosen, np.log(0.5)], [np.log(0.5)] * 2, [np.log(0.5)] * 2, [np.log(0.5)] * 2]))
        return float((dpo.DPO(1.0)(pairs)[0] - dpo.DPO(1.0)(pairs)[1]) / step)

    right, left = slope(1e-6), slope(-1e-6)
    return breaks(
        abs(right - left) > 1.0,
        problem="pi(y_w|x) = 1/2 - |theta|, beta = 1, at theta = 0",
        expected="one gradient",
        got=f"slope {right:.4f} to the right, {left:.4f} to the left",
        because="log pi is not differentiable there",
    )


CLAIM = Claim(
    id="D09",
    aliases=("dpo-gradient",),
    statement=__doc__,
    source=Source(PAPER, "section 4, the display after eq. 7"),
    assumes=("log pi is differentiable in the parameters",),
    derive=derive,
    certify=certify,
    edges={"log pi is differentiable in the parameters": kink},
)
