r"""Optimal policy of the KL-regularised bandit.

    pi*(y|x) = pi_ref(y|x) exp(r(x, y) / beta) / Z(x)    is the unique maximiser of    J(pi) = E_pi[r] - beta KL(pi || pi_ref),

and J(pi*) = beta log Z(x), for beta > 0, finitely many answers, r < inf and finite on some answer with pi_ref > 0. The maximum of the
mean over prompts is this one at every prompt with rho(x) > 0.

Why: J(pi*) - J(pi) = beta KL(pi || pi*) = beta sum pi_i g(log pi*_i / pi_i) with g(u) = e^u - 1 - u >= 0, zero only at u = 0 (claim
D03b), for every pi << pi_ref. The gap identity alone does not notice a missing normaliser, so pi* is also shown to sum to 1.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from bandits.solve import maximise_value
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.readings import on_numbers, on_tensors
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    log_z = optimal.log_partition(reward, log_ref, beta)
    names = {log_z: r"\log Z"}
    yield Step("pi* sums to 1", best.each(sp.exp).sum(), 1, "Z is the sum of its own summands", names=names)
    yield Step(
        "J is E[r] - beta KL",
        optimal.objective(log_policy, reward, log_ref, beta),
        expectation(log_policy, reward) - beta * expectation(log_policy, log_policy - log_ref),
        "eq. 3",
    )
    yield Step(
        "the value of pi* is beta log Z",
        optimal.objective(best, reward, log_ref, beta),
        beta * log_z,
        "log pi*/pi_ref = r/beta - log Z",
        names=names,
    )
    yield Step(
        "gap identity",
        optimal.objective(best, reward, log_ref, beta) - optimal.objective(log_policy, reward, log_ref, beta),
        beta * expectation(log_policy, log_policy - best),
        "every policy's loss against pi* is a KL divergence",
        facts=(sums_to_one(log_policy),),
        names=names,
    )
    yield Step(
        "the gap is a mean of g(u) = e^u - 1 - u",
        optimal.objective(best, reward, log_ref, beta) - optimal.objective(log_policy, reward, log_ref, beta),
        beta * expectation(log_policy, (best - log_policy).each(lambda u: sp.exp(u) - 1 - u)),
        "sum pi* = sum pi = 1; g > 0 away from 0",
        facts=(sums_to_one(log_policy),),
        names=names,
    )
    multiplier = reward - beta * (best - log_ref + 1)
    yield Step(
        "KKT: r - beta (log pi*/pi_ref + 1) is the same for every action",
        multiplier[k],
        beta * (log_z - 1),
        "the multiplier is beta (log Z - 1)",
        names=names,
    )


def certify(bandit, rng):
    log_pi = optimal.optimal_log_policy(rng.normal(scale=2.0, size=bandit.reward.shape), bandit.log_ref, 1.0)
    allowed = np.isfinite(bandit.reward)
    log_pi = np.where(allowed, log_pi, -np.inf)
    log_pi = log_pi - np.logaddexp.reduce(log_pi, axis=-1, keepdims=True)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    log_z = optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta)
    taken = np.exp(log_pi) > 0
    ratio = np.where(taken, np.abs(np.where(taken, log_pi, 0) - np.where(taken, bandit.log_ref, 0)), 0)
    reward = np.where(taken, np.abs(np.where(taken, bandit.reward, 0)), 0)
    scale = bandit.beta * np.abs(log_z) + np.sum(np.exp(log_pi) * (reward + bandit.beta * ratio), axis=-1)
    yield Measured("sum of pi*", np.exp(best).sum(axis=-1), 1.0)
    yield Measured("J(pi*) against beta log Z", bandit.values(best), bandit.beta * log_z, scale)
    gap = bandit.values(best) - bandit.values(log_pi)
    kl = np.sum(np.exp(log_pi) * np.where(taken, log_pi - np.where(taken, best, 0), 0), axis=-1)
    yield Measured("J(pi*) - J(pi) against beta KL(pi || pi*)", gap, bandit.beta * kl, scale)
    yield from _other_readings(bandit, log_pi, best, scale)


def _other_readings(bandit, log_pi, best, scale):
    """eq. 3 and eq. 4 on arrays, tensors and symbols are one formula; a policy that may do anything has value -inf where it must not."""
    problem = (bandit.reward, bandit.log_ref, bandit.beta)
    size = 1 + np.where(np.isfinite(best), np.abs(best), 0)
    yield Measured("pi* on tensors", on_tensors(optimal.optimal_log_policy, *problem), best, size)
    anything = np.full(bandit.reward.shape, -np.log(bandit.n_actions))
    added = np.where(np.isfinite(bandit.reward - bandit.log_ref), np.abs(bandit.reward) + bandit.beta * np.abs(bandit.log_ref), 0)
    for name, policy, terms in (("pi", log_pi, scale), ("the uniform policy", anything, 1 + added.sum(axis=-1))):
        value = bandit.values(policy)
        yield Measured(f"J of {name} on arrays", optimal.objective(policy, *problem), value, terms)
        yield Measured(f"J of {name} on tensors", on_tensors(optimal.objective, policy, *problem), value, terms)
    if bandit.n_actions == 2:
        yield Measured("J of pi on SymPy numbers", on_numbers(optimal.objective, log_pi, *problem), bandit.values(log_pi), scale)


def search(bandit, rng):
    found = maximise_value(bandit, rng=rng)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    distance = 0.5 * np.abs(np.exp(found.log_policy) - np.exp(best)).sum(axis=-1)
    yield Measured("total variation between the search and pi*", distance, 0.0, tolerance=1e-9)


def unsupported_best_action():
    bandit = TabularBandit([1.0], [[0.0, 0.0, 1.0]], [[np.log(0.5), np.log(0.5), -np.inf]], 1.0)
    best = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta))[0]
    return breaks(
        best[2] == 0.0 and bandit.reward[0, 2] > bandit.reward[0, :2].max(),
        problem="ref = (1/2, 1/2, 0), r = (0, 0, 1), beta = 1",
        expected="the action of largest reward gains probability",
        got=f"pi* = {best.tolist()}",
        because="pi_ref gives the best action no probability, and no beta buys it back",
    )


def no_price():
    low = optimal.log_partition([[1.0, 0.0]], np.log([[0.5, 0.5]]), 1e-3)[0] * 1e-3
    try:
        optimal.optimal_log_policy([[1.0, 0.0]], np.log([[0.5, 0.5]]), 0.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    return breaks(
        abs(low - 1.0) < 1e-3,
        problem="ref = (1/2, 1/2), r = (1, 0), beta = 0",
        expected="pi* has full support",
        got=f"refused: {refused}",
        because="at beta = 0 every policy on the best actions is optimal and r/beta is undefined",
    )


def infinitely_many_answers():
    values = [
        0.5 * optimal.log_partition(np.arange(m), np.log(np.array([0.5 ** min(y, m - 1) for y in range(1, m + 1)])), 0.5)
        for m in (10, 100, 1000)
    ]
    return breaks(
        values[0] < values[1] - 10 < values[2] - 100,
        problem="ref_y = 2^-(y+1), r_y = y, y = 0, 1, 2, ..., beta = 1/2, the tail put on the last of m answers",
        expected="J(pi*) = beta log Z is a number",
        got=f"beta log Z = {[round(float(value), 3) for value in values]} for m = 10, 100, 1000",
        because="Z is infinite and no policy is optimal (claim D04d)",
    )


def infinite_reward():
    try:
        optimal.optimal_log_policy([[np.inf, 0.0]], np.log([[0.5, 0.5]]), 1.0)
    except ValueError as error:
        growing = [float(optimal.log_partition([[r, 0.0]], np.log([[0.5, 0.5]]), 1.0)[0]) for r in (1e2, 1e4, 1e6)]
        return breaks(
            growing[0] < growing[1] < growing[2],
            problem="ref = (1/2, 1/2), r = (inf, 0), beta = 1",
            expected="a finite optimal value",
            got=f"refused: {error}; the value at r_1 = 1e2, 1e4, 1e6 is {growing}",
            because="every policy that takes the first action has value inf, so none is the unique optimum",
        )
    return None


def unseen_prompt():
    bandit = TabularBandit([1.0, 0.0], [[1.0, 0.0], [1.0, 0.0]], np.log([[0.5, 0.5]] * 2), 1.0)
    best = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    other = np.vstack([best[0], bandit.log_ref[1]])
    return breaks(
        bandit.value(best) == bandit.value(other) and not np.allclose(best, other),
        problem="two prompts, rho = (1, 0)",
        expected="one maximiser",
        got=f"pi* and another policy at the second prompt both have value {bandit.value(best):.6g}",
        because="a prompt that is never drawn does not count",
    )


CLAIM = Claim(
    id="D04",
    aliases=("eq4", "optimal-policy"),
    statement=__doc__,
    source=Source(PAPER, "eq. 4, App. A.1 eqs. 11-15"),
    assumes=("beta > 0", "pi_ref(y|x) > 0", "r < inf", "rho(x) > 0", "finitely many answers"),
    derive=derive,
    certify=certify,
    search=search,
    edges={
        "beta > 0": no_price,
        "pi_ref(y|x) > 0": unsupported_best_action,
        "r < inf": infinite_reward,
        "rho(x) > 0": unseen_prompt,
        "finitely many answers": infinitely_many_answers,
    },
)
