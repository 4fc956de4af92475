r"""The DPO loss is convex in log-ratios and in logits, and not in probabilities.

    d^2/dt^2 L_DPO = beta^2 sum_k m_k s(z_k) s(-z_k) v_k^2 >= 0    along every line, margins d_k + t v_k, weights m_k >= 0,

and the same in the logits of a softmax, whose normaliser cancels in every comparison. In pi itself the curvature can be negative:
for two answers, beta = 1 and one comparison, L is convex in pi(y_w|x) on (0, 1) exactly when pi_ref(y_w|x) <= 2 pi_ref(y_l|x).

Why: the scaled margin is linear in h and in the logits, and softplus is convex.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, t
from dpo_theory.claims.pairs import N, batch, compared, every_pair, pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def derive():
    pairs, mass = batch(), row("m", N).each(sp.exp)
    v = row("v", N)
    moved = pairs._replace(policy_chosen=pairs.policy_chosen + t * v)
    loss = mass * dpo.DPO(beta)(moved)
    growth = (beta * moved.margin).each(sp.exp)
    curvature = beta**2 * mass * v**2 * growth / (1 + growth) ** 2
    yield Step(
        "curvature of comparison k along any line",
        sp.diff(loss[k], t, 2),
        curvature[k],
        "s' = s(z) s(-z); the loss is the sum over k",
        sizes="every N",
    )
    yield Step("the sum is never negative", curvature.sum(), 0, "a sum of squares", sizes="every N", relation=">=")
    logits = row("y")
    softmax = logits - sp.log(logits.each(sp.exp).sum())
    yield Step(
        "in logits: the normaliser cancels",
        dpo.DPO(beta)(pair(softmax, i, j)),
        dpo.DPO(beta)(pair(logits, i, j)),
        "the loss is the same function of the logits",
    )
    p, odds = sp.symbols("p kappa", positive=True)
    ref_chosen, ref_rejected = odds / (1 + odds), 1 / (1 + odds)
    two = dpo.DPO(sp.S.One)(PairLogProbs(*(sp.log(x) for x in (p, 1 - p, ref_chosen, ref_rejected))))
    yield Step(
        "two answers, beta = 1: the curvature in p = pi(y_w|x), with kappa = pi_ref(y_w|x) / pi_ref(y_l|x)",
        sp.diff(two, p, 2),
        odds * (odds - 2 * (odds - 1) * p) / (p**2 * (p + odds * (1 - p)) ** 2),
        "positive for all p < 1 exactly when kappa <= 2",
        sizes="n = 2",
        values=lambda size, rng: {p: sp.Rational(int(rng.integers(1, 10)), 10)},
    )


def certify(bandit, rng):
    """Midpoint of two random policies in log-ratios against the average, and the closed curvature against a difference."""
    data = every_pair(bandit)
    loss = dpo.DPO(bandit.beta)
    one, other = random_log_policy(bandit, rng), random_log_policy(bandit, rng)
    ends = [compared(policy, bandit, data) for policy in (one, other)]
    middle = PairLogProbs(*((a + b) / 2 for a, b in zip(ends[0][:4], ends[1][:4], strict=True)))
    values = [loss(pairs) for pairs in (*ends, middle)]
    scale = 1 + values[0] + values[1]
    yield Measured("midpoint against average", values[2], (values[0] + values[1]) / 2, scale, relation="<=")


def in_probabilities():
    points = [Fraction(1, 2), Fraction(3, 4), Fraction(1)]
    odds = [p / Fraction(9, 10) / (p / Fraction(9, 10) + (1 - p) / Fraction(1, 10)) for p in points]
    with np.errstate(divide="ignore"):
        chosen, rejected = np.log([float(p) for p in points]), np.log([float(1 - p) for p in points])
        losses = dpo.DPO(1.0)(PairLogProbs(chosen, rejected, np.full(3, np.log(0.9)), np.full(3, np.log(0.1))))
    middle, average = float(losses[1]), float(losses[0] + losses[2]) / 2
    return breaks(
        odds[1] ** 2 < odds[0] * odds[2] and middle > average,
        problem="ref = (9/10, 1/10), 1 beats 2, beta = 1, pi(1) = 1/2, 3/4, 1",
        expected=f"loss at 3/4 <= average of the ends = {average:.4f}",
        got=f"{middle:.4f}",
        because=f"s(z) = {odds[0]}, {odds[1]}, {odds[2]}, and ({odds[1]})^2 < {odds[0] * odds[2]}",
        reproduce=(
            "import numpy as np\nfrom bandits import PairLogProbs\nfrom dpo_theory import DPO\n"
            "chosen, rejected = np.array([0.5, 0.75, 1 - 1e-12]), np.array([0.5, 0.25, 1e-12])\n"
            "print(DPO(1.0)(PairLogProbs(np.log(chosen), np.log(rejected), np.log(0.9), np.log(0.1))))"
        ),
    )


def negative_weight():
    margins = np.array([-1.0, 0.0, 1.0])
    zero = np.zeros(3)
    loss = -dpo.DPO(1.0)(PairLogProbs(margins, zero, zero, zero))
    return breaks(
        loss[1] > (loss[0] + loss[2]) / 2,
        problem="one comparison of weight -1, beta = 1, margins -1, 0, 1",
        expected=f"loss at 0 <= {(loss[0] + loss[2]) / 2:.4f}",
        got=f"{loss[1]:.4f}",
        because="a negative weight turns the curvature over",
    )


CLAIM = Claim(
    id="D07d",
    aliases=("convexity",),
    statement=__doc__,
    source=Source(PAPER, "eq. 7; not discussed in the paper"),
    assumes=("weights >= 0", "coordinates are log-ratios or logits"),
    derive=derive,
    certify=certify,
    edges={"weights >= 0": negative_weight, "coordinates are log-ratios or logits": in_probabilities},
)
