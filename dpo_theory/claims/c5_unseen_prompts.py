r"""On prompts without labels DPO and reward model plus RLHF agree when they share features, initialisation and ridge.

(a) Tabular: no comparison of a prompt means no gradient there, so the policy stays what it was at the start. A reward model
    without comparisons there stays constant, and RLHF returns pi_ref. The two agree iff DPO started at pi_ref.
(b) Linear: if log pi_theta = log pi_ref + theta.phi / beta - log Z and r_theta = theta.phi with the same features phi, then
    DPO loss and reward loss are the same function of theta, with any common penalty of theta, and pi_theta is the optimal
    policy of r_theta: both roads end at one policy on every prompt, labelled or not, whenever the minimiser is unique.

Why: the margin of pi_theta times beta is theta.(phi_w - phi_l), and eq. 4 maps r_theta to pi_theta in each context.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory import optimal, preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, i, j, k, log_ref, reward, sums_to_one
from dpo_theory.claims.pairs import compared, every_pair, pair, random_log_policy
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)  # r_i = theta.phi(x, y_i), any real row
    names = {optimal.log_partition(reward, log_ref, beta): r"\log Z"}
    yield Step(
        "(b) the DPO loss of pi_theta is the reward loss of r_theta, comparison by comparison",
        dpo.DPO(beta)(pair(best, i, j)),
        -preferences.bradley_terry(reward[i], reward[j]),
        "log Z cancels; any penalty of theta is common",
        names=names,
    )
    yield Step(
        "(b) RLHF on r_theta returns pi_theta, in every context",
        best[k],
        log_ref[k] + reward[k] / beta - sp.log((log_ref + reward / beta).each(sp.exp).sum()),
        "eq. 4",
        names=names,
    )
    logits = sp.IndexedBase("l", real=True)
    score = Row(lambda index: logits[1, index])
    loss = dpo.DPO(beta)(pair(score - sp.log(score.each(sp.exp).sum()), i, j))
    yield Step("(a) a comparison on prompt 1 has no slope in the logits of prompt 2", sp.diff(loss, logits[2, k]), 0, "one prompt")
    shift = sp.Symbol("c", real=True)
    unmoved = optimal.optimal_log_policy(log_ref * 0 + shift, log_ref, beta)
    yield Step("(a) RLHF on a constant reward returns pi_ref", unmoved[k], log_ref[k], "eq. 4", facts=(sums_to_one(log_ref),))


def certify(bandit, rng):
    seen = every_pair(bandit)
    seen = seen._replace(**{name: column[seen.context == 0] for name, column in zip(seen._fields[:3], seen[:3], strict=True)})
    first, other = random_log_policy(bandit, rng), random_log_policy(bandit, rng)
    elsewhere = np.concatenate([first[:1], other[1:]])
    losses = [dpo.DPO(bandit.beta)(compared(policy, bandit, seen)) for policy in (first, elsewhere)]
    yield Measured("(a) loss on prompt 1, before and after every other prompt changes", *losses, tolerance=0.0)
    flat = np.where(np.isfinite(bandit.reward), 0.7, bandit.reward)
    flat_ref = np.where(np.isfinite(flat), bandit.log_ref, -np.inf)
    flat_ref = flat_ref - np.logaddexp.reduce(flat_ref, axis=-1, keepdims=True)
    unmoved = np.exp(optimal.optimal_log_policy(flat, bandit.log_ref, bandit.beta))
    yield Measured("(a) RLHF on a constant reward", unmoved, np.exp(flat_ref))


def _problem(rng, beta, prompts=4, answers=3, features=2):
    phi = rng.normal(size=(prompts, answers, features))
    logits = rng.normal(size=(prompts, answers))
    log_ref = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    labelled = [(x, chosen, rejected) for x in range(prompts - 2) for chosen in range(answers) for rejected in range(answers)]
    chosen = np.array([row for row in labelled if row[1] != row[2]])
    return phi, log_ref, chosen, rng.uniform(0.1, 1.0, size=len(chosen)) ** 3


def _fit(loss, size):
    from scipy.optimize import minimize

    return minimize(loss, np.zeros(size), method="BFGS", options={"gtol": 1e-10}).x


def _by_dpo(phi, log_ref, data, weight, beta, ridge, offset=None):
    """Minimise the DPO loss of softmax(offset + theta.phi / beta); the offset is log pi_ref unless another is given."""
    start = log_ref if offset is None else offset
    x, chosen, rejected = data.T

    def log_policy(theta):
        score = start + phi @ theta / beta
        return score - np.logaddexp.reduce(score, axis=-1, keepdims=True)

    def loss(theta):
        at = log_policy(theta)
        pairs = PairLogProbs(at[x, chosen], at[x, rejected], log_ref[x, chosen], log_ref[x, rejected])
        return weight @ dpo.DPO(beta)(pairs) + ridge * theta @ theta / 2

    return log_policy(_fit(loss, phi.shape[-1]))


def _by_reward(phi, log_ref, data, weight, beta, ridge):
    """Fit theta.phi to the comparisons, then optimise against it by eq. 4."""
    x, chosen, rejected = data.T
    gap = phi[x, chosen] - phi[x, rejected]
    theta = _fit(lambda theta: weight @ np.logaddexp(0, -gap @ theta) + ridge * theta @ theta / 2, phi.shape[-1])
    return optimal.optimal_log_policy(phi @ theta, log_ref, beta)


def search(bandit, rng):
    problem = _problem(rng, bandit.beta)
    direct, two_stage = (road(*problem, bandit.beta, 0.5) for road in (_by_dpo, _by_reward))
    yield Measured("log-probabilities on four prompts, two of them unlabelled", direct, two_stage, 1 / bandit.beta, tolerance=1e-6)


def _witness(**changes):
    """Total variation on the unlabelled prompts between two fits that differ in one thing."""
    rng = np.random.default_rng(5)
    phi, log_ref, data, weight = _problem(rng, 1.0)
    two_stage = _by_reward(changes.get("reward_features", phi), log_ref, data, weight, 1.0, 0.5)
    direct = _by_dpo(phi, log_ref, data, weight, 1.0, changes.get("ridge", 0.5), changes.get("offset"))
    return float(np.abs(np.exp(direct[-2:]) - np.exp(two_stage[-2:])).sum(axis=-1).max() / 2)


def _differs(distance, problem, because):
    return breaks(
        distance > 0.02,
        problem=f"{problem}; four prompts, three answers, two features, the last two prompts unlabelled",
        expected="the same policy on the unlabelled prompts",
        got=f"total variation {distance:.3f}",
        because=because,
    )


def no_offset():
    return _differs(
        _witness(offset=np.zeros((4, 3))),
        "log pi_theta = theta.phi / beta - log Z, with log pi_ref outside the span of phi",
        "this class cannot represent the optimal policy of theta.phi",
    )


def other_features():
    return _differs(
        _witness(reward_features=np.random.default_rng(7).normal(size=(4, 3, 2))),
        "the reward model has features of its own",
        "labels fix theta.phi on the labelled prompts; elsewhere the features decide",
    )


def other_ridge():
    return _differs(_witness(ridge=5.0), "ridge 5 for DPO and 0.5 for the reward model", "the two losses have two minimisers")


def other_start():
    start = np.log([0.2, 0.8])
    return breaks(
        abs(np.exp(start[0]) - 0.5) > 0.1,
        problem="tabular; pi_ref = (1/2, 1/2) on a prompt without labels, DPO starts at (0.2, 0.8)",
        expected="RLHF on a reward model without labels there: (0.5, 0.5)",
        got=f"DPO stays at {np.exp(start).round(3).tolist()}: its gradient there is 0",
        because="DPO knows pi_ref of a prompt only through the prompt's comparisons",
    )


CLAIM = Claim(
    id="C5",
    aliases=("unseen-prompts",),
    statement=__doc__,
    source=Source(PAPER, "sec. 7, first question; answer derived here"),
    assumes=(
        "log pi_ref is an offset of the policy class",
        "reward model and policy share their features",
        "one ridge for both",
        "(a) DPO starts at pi_ref",
    ),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "log pi_ref is an offset of the policy class": no_offset,
        "reward model and policy share their features": other_features,
        "one ridge for both": other_ridge,
        "(a) DPO starts at pi_ref": other_start,
    },
)
