r"""Tabular DPO and two-stage RLHF give one answer on every data set.

    argmin_pi L_DPO(pi; D) = { pi_r : r in argmin L_R(r; D) },    pi_r(y|x) = pi_ref(y|x) exp(r(x, y) / beta) / Z(x),

for every data set D, Bradley-Terry or not: both sides are empty together, and where the wins connect every two answers in both
directions each side is one policy. So the two methods have one sampling law.

Why: r -> pi_r maps rewards modulo f(x) one to one onto the positive policies, with inverse beta log(pi/pi_ref), and
L_DPO(pi_r; D) = L_R(r; D). A maximum-likelihood estimate does not depend on the parametrisation.
"""

import numpy as np

from bandits.data import PairLogProbs
from bandits.solve import minimise_loss
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import compared, every_pair, pair
from dpo_theory.losses import dpo
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    names = {log_z: r"\log Z"}
    yield Step(
        "every comparison costs the same",
        dpo.DPO(beta)(pair(best, i, j)),
        -preferences.bradley_terry(reward[i], reward[j]),
        "so L_DPO(pi_r; D) = L_R(r; D) for every D",
        names=names,
    )
    yield Step(
        "onto: pi is the policy of its implicit reward",
        optimal.optimal_log_policy(optimal.implicit_reward(log_policy, log_ref, beta), log_ref, beta)[k],
        log_policy[k],
        "pi sums to 1",
        facts=(sums_to_one(log_policy),),
    )
    yield Step(
        "one to one: the implicit reward of pi_r is r up to a constant",
        optimal.implicit_reward(best, log_ref, beta)[k] - reward[k],
        -beta * log_z,
        "the constant of the context",
        names=names,
    )


def draw_data(bandit, rng):
    """1 to 20 wins each way on every pair: no reward explains them, and an estimate exists."""
    data = every_pair(bandit)
    return data._replace(weight=rng.integers(1, 21, size=len(data.context)).astype(float))


def reward_mle(data, shape):
    """Zermelo's iteration: strength_i = wins_i / sum_j n_ij / (strength_i + strength_j); it knows no policy and no gradient."""
    wins = np.zeros((*shape, shape[1]))
    np.add.at(wins, data[:3], data.weight)
    games, won = wins + wins.swapaxes(1, 2), wins.sum(axis=2)
    strength = np.where(won > 0, 1.0, 0.0)
    for _ in range(5000):
        met = strength[:, :, None] + strength[:, None, :]
        drag = np.sum(games / np.where(met > 0, met, 1.0), axis=2)
        update = np.where(won > 0, won / np.where(drag > 0, drag, 1.0), 0.0)
        update = update / update.sum(axis=1, keepdims=True)
        done = np.abs(update - strength).max() < 1e-16
        strength = update
        if done:
            break
    with np.errstate(divide="ignore"):
        return np.log(strength)


def certify(bandit, rng):
    data = every_pair(bandit)
    policy = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    pairs = compared(policy, bandit, data)
    gap = bandit.reward[data.context, data.chosen] - bandit.reward[data.context, data.rejected]
    yield Measured("loss of pi_r against log-loss of r", dpo.DPO(bandit.beta)(pairs), np.logaddexp(0, -gap), 1 + np.abs(gap))


def search(bandit, rng):
    data = draw_data(bandit, rng)
    shape = bandit.reward.shape
    open_ = bandit.support & np.isfinite(bandit.reward)
    if not open_.all():
        return
    found = minimise_loss(bandit, dpo.DPO(bandit.beta), data)
    two_stage = optimal.optimal_log_policy(reward_mle(data, shape), bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(two_stage)).sum(axis=-1)
    yield Measured("total variation between DPO and two stages on one data set", distance, 0.0, tolerance=1e-9)


def one_logit_for_three_contexts():
    rates = np.array([99, 20, 20]) / 100
    fitted = np.log(rates / (1 - rates))
    two_stage = fitted.mean()
    direct = np.log(rates.mean() / (1 - rates.mean()))

    def loss(theta):
        pairs = PairLogProbs(*np.log([[1 / (1 + np.exp(-theta))], [1 / (1 + np.exp(theta))], [0.5], [0.5]]))
        swapped = PairLogProbs(pairs[1], pairs[0], pairs[3], pairs[2])
        return float((rates.mean() * dpo.DPO(1.0)(pairs) + (1 - rates.mean()) * dpo.DPO(1.0)(swapped))[0])

    lowest = loss(direct) < min(loss(direct - 1e-3), loss(direct + 1e-3), loss(two_stage))
    return breaks(
        lowest and direct < 0 < two_stage,
        problem="three contexts, two answers, 99, 20 and 20 wins of 100; one logit theta for all, uniform reference, beta = 1",
        expected=f"theta = mean of the fitted rewards = {two_stage:.4f}, as two-stage RLHF",
        got=f"theta = {direct:.4f}, the opposite order",
        because="DPO fits the average win rate, RLHF averages the fitted rewards; a table has a logit for each",
    )


def never_lost():
    ref = np.log(0.5)
    losses = []
    for scale in (1.0, 10.0, 30.0):
        chosen = np.array([-np.log1p(np.exp(-scale))])
        losses.append(float(dpo.DPO(1.0)(PairLogProbs(chosen, chosen - scale, np.array([ref]), np.array([ref])))[0]))
    return breaks(
        losses[0] > losses[1] > losses[2] > 0,
        problem="{1 beats 2} is all the data, uniform reference, beta = 1",
        expected="one minimiser",
        got=f"loss {losses[0]:.3g}, {losses[1]:.3g}, {losses[2]:.3g} at margins 1, 10, 30: none",
        because="no loss connects 1 back to 2, so the margin grows for ever; the reward estimate is infinite too",
    )


CLAIM = Claim(
    id="D07c",
    aliases=("finite-sample-equivalence",),
    statement=__doc__,
    source=Source(PAPER, "section 4: eq. 2 and eq. 7 compared on one data set"),
    assumes=("tabular policy and reward", "wins connect every two answers both ways, for existence"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "tabular policy and reward": one_logit_for_three_contexts,
        "wins connect every two answers both ways, for existence": never_lost,
    },
)
