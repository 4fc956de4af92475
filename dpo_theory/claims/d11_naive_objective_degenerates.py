r"""The unweighted objective has no minimiser.

    U(pi) = -sum_{i,j} m_ij (log pi_i - log pi_j) = -sum_i c_i log pi_i,    c_i = W_i - L_i,    sum_i c_i = 0,

with m_ij the weight of "i beats j", W_i = sum_j m_ij what i wins and L_i = sum_j m_ji what it loses. In logits a the gradient
flow is a' = c exactly, U falls at the rate sum_i c_i^2 for ever, and pi_i / pi_k = (pi_i / pi_k)(0) e^{(c_i - c_k) t}, so every
answer outside argmax c loses all its probability. Tabular, any reference; this is eq. 7's gradient with weight 1.

Why: U is linear in log pi, the coefficients sum to 0, and so the normaliser drops out.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, k, t
from dpo_theory.claims.pairs import batch, compared, every_pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step, row

m = sp.IndexedBase("m", real=True)


def naive(log_policy):
    """U, the sum over all ordered pairs."""
    return -Row(lambda a: Row(lambda b: m[a, b] * (log_policy[a] - log_policy[b])).sum()).sum()


def derive():
    pairs, loss = batch(), dpo.DPO(beta)
    pull, push = loss.gradient(pairs)
    weight = beta * loss.weight(pairs)
    for name, part, value in (("chosen", pull, -1), ("rejected", push, 1)):
        yield Step(f"with weight 1, slope {value} on the {name} answer", (part / weight)[k], value, sizes="every N")
    surplus = Row(lambda a: Row(lambda b: m[a, b]).sum() - Row(lambda b: m[b, a]).sum())
    policy, logits, v = row("q"), row("y"), row("v")
    yield Step("U is linear in log pi", naive(policy), -(surplus * policy).sum(), "gather each log pi_i")
    yield Step("the coefficients sum to 0", surplus.sum(), 0, "every win is a loss")

    def softmax(a):
        return a - sp.log(a.each(sp.exp).sum())

    yield Step("in logits", naive(softmax(logits)), -(surplus * logits).sum(), "the normaliser drops out")
    yield Step(
        "U is linear along every direction v of the logits",
        naive(softmax(logits + t * v)),
        naive(softmax(logits)) - t * (surplus * v).sum(),
        "minus its gradient is c; along v = c it falls at the rate sum c^2",
    )
    c = row("c")
    flow = softmax(logits + t * c)
    yield Step(
        "along the flow, ratios grow or fall exponentially",
        sp.exp(flow[i] - flow[k]),
        sp.exp(logits[i] - logits[k] + t * (c[i] - c[k])),
        "any direction c",
    )


def tally(bandit):
    """Ordered pairs and the weight of each: uniform over the pairs of a context, won by Bradley-Terry."""
    data = every_pair(bandit)
    gap = bandit.reward[data.context, data.chosen] - bandit.reward[data.context, data.rejected]
    number = np.bincount(data.context, minlength=bandit.n_contexts)
    mass = bandit.context_probs[data.context] / number[data.context] * 2 * np.exp(-np.logaddexp(0, -gap))
    wins, losses = np.zeros(bandit.reward.shape), np.zeros(bandit.reward.shape)
    np.add.at(wins, (data.context, data.chosen), mass)
    np.add.at(losses, (data.context, data.rejected), mass)
    return data, mass, wins - losses


def certify(bandit, rng):
    data, mass, surplus = tally(bandit)

    def objective(log_policy):
        pairs = compared(log_policy, bandit, data)
        return -np.sum(mass * (pairs.policy_chosen - pairs.policy_rejected))

    start = random_log_policy(bandit, rng)
    for time in (1.0, 100.0):
        moved = start + time * surplus
        moved = moved - np.logaddexp.reduce(moved, axis=-1, keepdims=True)
        fall = time * np.sum(surplus**2)
        finite = np.isfinite(start)
        size = np.sum(mass) * (1 + np.abs(np.where(finite, start, 0)).max() + np.abs(np.where(finite, moved, 0)).max())
        yield Measured(f"U after time {time:g} of the flow", objective(moved), objective(start) - fall, size)
    pairs = compared(start, bandit, data)
    margin = np.abs(pairs.policy_chosen - pairs.ref_chosen - pairs.policy_rejected + pairs.ref_rejected)
    for price in (1e-3, 1e-9):
        pull, _ = dpo.DPO(price).gradient(pairs)
        short = np.abs(pull / price + 0.5)
        yield Measured(f"DPO at beta = {price:g} is half of it, up to beta/4 per nat", short, price * margin / 4, relation="<=")


def balanced():
    wins = {(1, 2): Fraction(1, 3), (2, 3): Fraction(1, 3), (3, 1): Fraction(1, 3)}
    surplus = [sum(w * ((a == i) - (b == i)) for (a, b), w in wins.items()) for i in (1, 2, 3)]
    return breaks(
        surplus == [0, 0, 0],
        problem="1 beats 2, 2 beats 3, 3 beats 1, once each",
        expected="U is unbounded below",
        got="c = (0, 0, 0): U = 0 for every policy",
        because="every answer wins as much as it loses",
    )


def shared_logit():
    surplus, feature = [Fraction(1, 2), Fraction(0), Fraction(-1, 2)], [1, 2, 1]
    slope = -sum(c * phi for c, phi in zip(surplus, feature, strict=True))
    return breaks(
        slope == 0 and any(surplus),
        problem="1 beats 3; logits theta (1, 2, 1): only the logit of answer 2 against the others can move",
        expected="U is unbounded below",
        got="U = 0 for every theta",
        because="the direction c is not among the policies",
    )


CLAIM = Claim(
    id="D11",
    aliases=("naive-objective",),
    statement=__doc__,
    source=Source(PAPER, "section 4, 'naive' objective; Appendix Table 3"),
    assumes=("wins and losses differ for some answer", "tabular policy"),
    derive=derive,
    certify=certify,
    edges={"wins and losses differ for some answer": balanced, "tabular policy": shared_logit},
)
