r"""Lemma 2: rewards of one class have one optimal policy, and only they do.

    r' = r + f(x)    =>    pi_r' = pi_r    for the KL-regularised objective of eq. 3.

Converse (not in the paper): if pi_r = pi_r' for the same beta > 0, then r - r' is a function of the context on the support of
pi_ref; off the support anything goes.

Why: exp(f(x)/beta) is a factor of Z. For the converse, beta log pi_r/pi_ref gives every reward difference back.
"""

import numpy as np

from bandits.solve import maximise_value
from dpo_theory import optimal, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, j, k, log_ref, other_reward, reward
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    other = optimal.optimal_log_policy(other_reward, log_ref, beta)
    yield Step(
        "the shift leaves the policy",
        optimal.optimal_log_policy(reward + c, log_ref, beta)[k],
        best[k],
        "exp(c/beta) is pulled out of Z and cancels",
    )
    yield Step(
        "the policies give the reward differences back",
        beta * (best[j] - other[j]) - beta * (best[k] - other[k]),
        (reward[j] - other_reward[j]) - (reward[k] - other_reward[k]),
        "equal policies make the left side 0, so r - r' is the same for j and k",
    )


def certify(bandit, rng):
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    shifted = optimal.optimal_log_policy(bandit.reward + shift, bandit.log_ref, bandit.beta)
    allowed = np.isfinite(best)
    size = (np.abs(np.where(allowed, bandit.reward, 0)).max() + np.abs(shift).max()) / bandit.beta
    size += np.abs(np.where(allowed, bandit.log_ref, 0)).max()
    yield Measured("log pi of the shifted reward", shifted, best, size)
    if full_support(bandit):
        back = bandit.beta * (best - bandit.log_ref)
        terms = score_terms(bandit)
        yield Measured(
            "reward differences from the policy",
            back - back[:, :1],
            bandit.reward - bandit.reward[:, :1],
            terms + terms[:, :1],
        )


def search(bandit, rng):
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    found = maximise_value(bandit.replace(reward=bandit.reward + shift), rng=rng)
    unshifted = maximise_value(bandit, rng=rng)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(unshifted.log_policy)).sum(axis=-1)
    yield Measured("total variation between the optima found for r and r + f(x)", distance, 0.0, tolerance=1e-9)


def _policies(first, second, ref, betas):
    with np.errstate(divide="ignore"):
        log_ref = np.log([ref])
    return [np.exp(optimal.optimal_log_policy([r], log_ref, b))[0] for r, b in zip((first, second), betas, strict=True)]


def shift_by_action():
    before, after = _policies([1.0, 0.0], [1.0, 2.0], [0.5, 0.5], (1.0, 1.0))
    return breaks(
        np.abs(before - after).max() > 0.1,
        problem="ref = (1/2, 1/2), beta = 1, r = (1, 0), r' = r + (0, 2)",
        expected="one optimal policy",
        got=f"{before.round(6).tolist()} and {after.round(6).tolist()}",
        because="the shift depends on the action",
    )


def unsupported():
    first, second = [0.0, 0.0, 1.0], [0.0, 0.0, 5.0]
    before, after = _policies(first, second, [0.5, 0.5, 0.0], (1.0, 1.0))
    return breaks(
        np.array_equal(before, after) and not rewards.same_class([first], [second]),
        problem=f"ref = (1/2, 1/2, 0), beta = 1, r = {first}, r' = {second}",
        expected="equal policies, so r ~ r'",
        got=f"both policies are {before.tolist()}, and r - r' is not constant",
        because="the third action is never taken, so its reward is never seen",
    )


def two_betas():
    first, second = [1.0, 0.0], [2.0, 0.0]
    before, after = _policies(first, second, [0.5, 0.5], (1.0, 2.0))
    return breaks(
        np.abs(before - after).max() < 1e-15 and not rewards.same_class([first], [second]),
        problem="ref = (1/2, 1/2), r = (1, 0) at beta = 1, r' = (2, 0) at beta = 2",
        expected="equal policies, so r ~ r'",
        got=f"both policies are {before.round(6).tolist()}, and r - r' is not constant",
        because="the policy depends on r / beta",
    )


def no_price():
    first, second = np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]])
    same = np.array_equal(first.argmax(axis=-1), second.argmax(axis=-1))
    return breaks(
        same and not rewards.same_class(first, second),
        problem="beta = 0, r = (1, 0), r' = (2, 0)",
        expected="equal policies, so r ~ r'",
        got="both optima take action 1, and r - r' is not constant",
        because="without the KL term only the best action matters",
    )


CLAIM = Claim(
    id="D16",
    aliases=("lemma2", "same-class-same-optimum"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, Lemma 2, App. A.5"),
    assumes=(
        "f depends on the context alone",
        "for the converse: pi_ref(y|x) > 0",
        "for the converse: one beta",
        "for the converse: beta > 0",
    ),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "f depends on the context alone": shift_by_action,
        "for the converse: pi_ref(y|x) > 0": unsupported,
        "for the converse: one beta": two_betas,
        "for the converse: beta > 0": no_price,
    },
)
