r"""Implicit rewards, their margin and their accuracy.

    rhat = beta log pi/pi_ref,    rhat_w - rhat_l = beta * margin,    accuracy = mean of 1[rhat_w > rhat_l].

The margin does not change when a function of the context is added to log pi - log pi_ref, so the normaliser of a policy does
not matter to it; the accuracy moreover does not depend on beta > 0. At the optimal policy the differences are the true ones.

Why: f(x) cancels in the difference, and a positive factor does not change a sign.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_ref, reward
from dpo_theory.claims.pairs import N, batch, compared, every_pair, pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Step, row


def gap(loss, pairs):
    chosen, rejected = loss.rewards(pairs)
    return chosen - rejected


def derive():
    pairs, f = batch(), row("f", N)
    other = sp.Symbol("gamma", positive=True)
    loss = dpo.DPO(beta)
    chosen, rejected = loss.rewards(pairs)
    for name, part, policy, ref in (
        ("chosen", chosen, pairs.policy_chosen, pairs.ref_chosen),
        ("rejected", rejected, pairs.policy_rejected, pairs.ref_rejected),
    ):
        yield Step(f"reward of the {name} answer", part[k], optimal.implicit_reward(policy, ref, beta)[k], sizes="every N")
    yield Step("their difference is beta times the margin", gap(loss, pairs)[k], (beta * pairs.margin)[k], sizes="every N")
    shifted = pairs._replace(policy_chosen=pairs.policy_chosen + f, policy_rejected=pairs.policy_rejected + f)
    yield Step("a function of the context cancels", gap(loss, shifted)[k], gap(loss, pairs)[k], sizes="every N")
    yield Step(
        "another beta is a positive factor",
        other * gap(loss, pairs)[k],
        beta * gap(dpo.DPO(other), pairs)[k],
        "the sign stays",
        sizes="every N",
    )
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step(
        "at pi* the difference is that of the true rewards",
        gap(loss, pair(best, i, j)),
        reward[i] - reward[j],
        "log Z cancels",
        names={optimal.log_partition(reward, log_ref, beta): r"\log Z"},
    )


def certify(bandit, rng):
    data = every_pair(bandit)
    pairs = compared(random_log_policy(bandit, rng), bandit, data)
    f = rng.normal(size=bandit.n_contexts)[data.context]
    margin = (pairs.policy_chosen - pairs.policy_rejected) - (pairs.ref_chosen - pairs.ref_rejected)
    scale = bandit.beta * (1 + np.abs(np.stack(pairs[:4])).sum(axis=0) + 2 * np.abs(f))
    yield Measured("difference of rewards", gap(dpo.DPO(bandit.beta), pairs), bandit.beta * margin, scale)
    shifted = pairs._replace(policy_chosen=pairs.policy_chosen + f, policy_rejected=pairs.policy_rejected + f)
    yield Measured("difference after a shift", gap(dpo.DPO(bandit.beta), shifted), bandit.beta * margin, scale)
    signs = [np.sign(gap(dpo.DPO(b), pairs)) for b in (bandit.beta, 3 * bandit.beta, 0.01)]
    yield Measured("order at 3 beta", signs[1], signs[0])
    yield Measured("order at beta = 0.01", signs[2], signs[0])
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    true = bandit.reward[data.context, data.chosen] - bandit.reward[data.context, data.rejected]
    at_best = compared(best, bandit, data)
    size = bandit.beta * (1 + np.abs(np.stack(at_best[:4])).sum(axis=0)) + np.abs(true)
    yield Measured("difference at pi* against the true one", gap(dpo.DPO(bandit.beta), at_best), true, size)


def across_contexts():
    pairs = PairLogProbs(*np.log([[0.6], [0.5], [0.5], [0.5]]))
    before = float(gap(dpo.DPO(1.0), pairs)[0])
    after = float(gap(dpo.DPO(1.0), pairs._replace(policy_rejected=pairs.policy_rejected + 1.0))[0])
    return breaks(
        before > 0 > after,
        problem="chosen and rejected answer two prompts; f = 0 for one, 1 for the other",
        expected=f"the margin stays {before:.4f}",
        got=f"{after:.4f}",
        because="the shifts of two contexts do not cancel",
    )


def without_a_price():
    try:
        dpo.DPO(0.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    tiny = gap(dpo.DPO(5e-324), PairLogProbs(*np.log([[0.6], [0.4], [0.5], [0.5]])))
    return breaks(
        not tiny[0] > 1e-300,
        problem="beta = 0, pi = (.6, .4), uniform reference",
        expected="chosen ranked first, as at every beta > 0",
        got=f"rewards 0 and 0: a tie; refused: {refused}",
        because="the implicit reward vanishes with beta",
    )


CLAIM = Claim(
    id="D13",
    aliases=("reward-accuracy",),
    statement=__doc__,
    source=Source(PAPER, "sections 4 and 5, App. B"),
    assumes=("beta > 0", "both answers have one context"),
    derive=derive,
    certify=certify,
    edges={"beta > 0": without_a_price, "both answers have one context": across_contexts},
)
