r"""beta log Z is the soft value of the reference.

    V[r](x) = beta log E_{y ~ pi_ref} exp(r(x, y)/beta) = max_pi E_pi[r] - beta KL(pi || pi_ref).

It moves with the reward, V[r + c(x)] = V[r] + c(x); it scales, V_{m beta}[m r] = m V_beta[r] for m > 0; and
r - V = beta log pi*/pi_ref is the soft advantage, the projection f(r) of eq. 8.

Why: the maximum is attained at pi* (claim D04) and equals beta log Z; a constant and a scale leave Z as factors and powers.
"""

import numpy as np
import sympy as sp

from bandits.solve import maximise_value
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, c, expectation, k, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.rungs import full_support, score_terms
from dpo_theory.proof import Step


def derive():
    log_z = optimal.log_partition(reward, log_ref, beta)
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    names = {log_z: r"\log Z"}
    yield Step("Z is the mean of exp(r/beta)", sp.exp(log_z), expectation(log_ref, (reward / beta).each(sp.exp)), "eq. 4")
    yield Step(
        "pi* attains V",
        optimal.objective(best, reward, log_ref, beta),
        beta * log_z,
        "claim D04",
        names=names,
    )
    yield Step(
        "no policy exceeds V",
        beta * log_z - optimal.objective(log_policy, reward, log_ref, beta),
        beta * optimal.kl_divergence(log_policy, best),
        "KL >= 0 (claim D03b)",
        facts=(sums_to_one(log_policy),),
        names=names,
    )
    yield Step(
        "V moves with the reward",
        beta * optimal.log_partition(reward + c, log_ref, beta),
        beta * log_z + c,
        "exp(c/beta) is a factor of Z",
        names=names,
    )
    m = sp.Symbol("m", positive=True)
    yield Step(
        "V scales",
        m * beta * optimal.log_partition(m * reward, log_ref, m * beta),
        m * beta * log_z,
        "only r/beta enters Z",
        names=names,
    )
    yield Step(
        "r - V is the soft advantage",
        reward[k] - beta * log_z,
        beta * (best - log_ref)[k],
        "eq. 5",
        names=names,
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    r, log_ref, b = bandit.reward, bandit.log_ref, bandit.beta
    value = b * optimal.log_partition(r, log_ref, b)
    top = r.max(axis=-1)
    direct = top + b * np.log((np.exp(log_ref) * np.exp((r - top[:, None]) / b)).sum(axis=-1))
    size = np.abs(r).max(axis=-1) + b * np.abs(np.log(np.exp(log_ref).max(axis=-1))) + np.abs(value)
    yield Measured("V against beta log E_ref exp(r/beta)", value, direct, size)
    best = optimal.optimal_log_policy(r, log_ref, b)
    yield Measured("V against the value of pi*", value, bandit.values(best), (np.exp(best) * score_terms(bandit)).sum(-1))
    shift = rng.normal(scale=3.0, size=(bandit.n_contexts, 1))
    moved = b * optimal.log_partition(r + shift, log_ref, b)
    yield Measured("V[r + c(x)]", moved, value + shift[:, 0], size + np.abs(shift[:, 0]))
    scaled = 3 * b * optimal.log_partition(3 * r, log_ref, 3 * b)
    yield Measured("V[3 r] at 3 beta", scaled, 3 * value, 3 * size)


def search(bandit, rng):
    found = maximise_value(bandit, rng=rng)
    value = bandit.beta * optimal.log_partition(bandit.reward, bandit.log_ref, bandit.beta)
    size = np.abs(np.where(np.isfinite(bandit.reward), bandit.reward, 0)).max() + np.abs(value).max()
    yield Measured("the best value found", found.value, float(bandit.context_probs @ value), size)


def shift_by_action():
    log_ref = np.log([[0.5, 0.5]])
    before, after = (float(optimal.log_partition([r], log_ref, 1.0)[0]) for r in ([0.0, 0.0], [2.0, 0.0]))
    return breaks(
        abs(after - before - 1.0) > 0.1,
        problem="ref = (1/2, 1/2), beta = 1, r = (0, 0), c = (2, 0) with mean 1",
        expected="V[r + c] = V[r] + E_ref[c]",
        got=f"V moves by {after - before:.6f}",
        because="V is convex in a shift that depends on the action",
    )


def negative_beta():
    ref, reward, b = np.array([0.5, 0.5]), np.array([1.0, -1.0]), -1.0
    formula = float(b * np.log(ref @ np.exp(reward / b)))
    vertex = float(reward[0] - b * -np.log(ref[0]))
    return breaks(
        vertex > formula,
        problem="ref = (1/2, 1/2), r = (1, -1), beta = -1",
        expected=f"no policy exceeds beta log Z = {formula:.6f}",
        got=f"the policy (1, 0) has the value {vertex:.6f}",
        because="with beta < 0 the formula is a minimum",
    )


CLAIM = Claim(
    id="D23b",
    aliases=("soft-value",),
    statement=__doc__,
    source=Source(PAPER, "section 5.2, on eq. 10"),
    assumes=("c depends on the context alone", "beta > 0"),
    derive=derive,
    certify=certify,
    search=search,
    edges={"c depends on the context alone": shift_by_action, "beta > 0": negative_beta},
)
