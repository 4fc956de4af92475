r"""Equivalence classes of rewards.

    r ~ r'    iff    r(x, y) - r'(x, y) = f(x)    for a function f of the context alone.

This is an equivalence relation on finite rewards. The rewards modulo ~ are a linear space of dimension sum_x (n_x - 1), where
n_x is the number of actions in context x.

Why: with the projection P of eq. 8, r - P(r) does not depend on the action and P(r + f(x)) = P(r). Hence r ~ r' iff
P(r) = P(r'), and "has the same image" is reflexive, symmetric and transitive for any map. For the dimension, r - r_1 (the
first entry taken from all) is linear, does not move under r + f(x), differs from r by a constant, and leaves r alone when
r_1 = 0: its kernel is the line of constants, and n_x - 1 free entries remain in each context.
"""

import numpy as np

from dpo_theory import optimal, rewards
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, j, k, log_ref, other_reward, reward
from dpo_theory.claims.rungs import full_support
from dpo_theory.proof import Step


def derive():
    first = optimal.project_reward(reward, log_ref, beta)
    other = optimal.project_reward(other_reward, log_ref, beta)
    yield Step(
        "P(r) is in the class of r",
        (reward - first)[j],
        (reward - first)[k],
        "r - P(r) = beta log Z for every action",
    )
    yield Step(
        "members of a class have one image",
        optimal.project_reward(reward + c, log_ref, beta)[k],
        first[k],
        "the constant leaves the sum and cancels",
    )
    yield Step(
        "rewards with one image differ by a function of the context",
        (reward - other_reward)[j] - (reward - other_reward)[k],
        (first - other)[j] - (first - other)[k],
        "P(r) = P(r') makes the right side 0",
    )
    anchored = reward - reward[1]
    yield Step("r - r_1 is in the class of r", (reward - anchored)[k], reward[1], "one number for all actions")
    yield Step("constants are in the kernel of r - r_1", ((reward + c) - (reward + c)[1])[k], anchored[k], "c cancels")
    yield Step("r - r_1 is idempotent", (anchored - anchored[1])[k], anchored[k], "its first entry is 0")


def certify(bandit, rng):
    by_context = rng.normal(scale=3.0, size=(2, bandit.n_contexts, 1))
    first = bandit.reward
    second = first + by_context[0]
    third = second + by_context[1]
    moved = second.copy()
    barred = first.copy()
    one = np.flatnonzero(np.isfinite(first[0]))[0]
    moved[0, one] += 1.0
    barred[0, one] = -np.inf
    yield Measured("r ~ r", rewards.same_class(first, first), True)
    yield Measured("r ~ r + f(x)", rewards.same_class(first, second), True)
    yield Measured("r + f(x) ~ r", rewards.same_class(second, first), True)
    yield Measured("transitivity", rewards.same_class(first, third), True)
    large = 1e9 * first
    yield Measured("r ~ r + f(x) for rewards of 1e9, up to their rounding", rewards.same_class(large, large + second[0, one] / 3), True)
    yield Measured("one action moved alone leaves the class", rewards.same_class(first, moved), False)
    yield Measured("one action forbidden leaves the class", rewards.same_class(first, barred), False)
    if full_support(bandit):
        yield from dimension(bandit)


def dimension(bandit):
    """The kernel of all differences within contexts is one line per context, and same_class knows those lines and no other."""
    contexts, actions = bandit.reward.shape
    differences = np.kron(np.eye(contexts), np.vstack([np.eye(actions)[a] - np.eye(actions) for a in range(actions)]))
    _, sizes, directions = np.linalg.svd(differences)
    rank = int(np.sum(sizes > 1e-9))
    reward = np.zeros(bandit.reward.shape)
    same = [rewards.same_class(reward, direction.reshape(reward.shape)) for direction in directions]
    yield Measured("dimension of the quotient", rank, contexts * (actions - 1))
    yield Measured("directions inside the class", same, [False] * rank + [True] * contexts)


def shift_by_action():
    first, second = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    shift = second - first
    return breaks(
        not rewards.same_class(first, first + shift),
        problem="one context, r = (1, 0), r' = (0, 1)",
        expected="r' - r = f is allowed, so r ~ r'",
        got=f"f = {shift[0].tolist()} depends on the action; same_class says {rewards.same_class(first, second)}",
        because="with f(x, y) in place of f(x) all rewards are one class and the quotient is a point",
    )


def forbidden_everywhere():
    with np.errstate(invalid="ignore"):
        difference = np.array([-np.inf, 0.0]) - np.array([-np.inf, 1.0])
    return breaks(
        np.isnan(difference).any(),
        problem="r = (-inf, 0), r' = (-inf, 1)",
        expected="r - r' is a function of the context",
        got=f"r - r' = {difference.tolist()}",
        because="-inf - (-inf) has no value; `same_class` compares such actions by where they are forbidden",
    )


CLAIM = Claim(
    id="D14",
    aliases=("definition1", "reward-classes"),
    statement=__doc__,
    source=Source(PAPER, "section 5.1, Definition 1"),
    assumes=("f depends on the context alone", "rewards are finite"),
    derive=derive,
    certify=certify,
    edges={"f depends on the context alone": shift_by_action, "rewards are finite": forbidden_everywhere},
)
