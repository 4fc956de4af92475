r"""No exploration off the support.

    pi_ref(y|x) = 0    implies    pi*(y|x) = 0,    for every finite reward and every beta > 0.

Why: the odds pi*_k / pi*_j = (pi_ref_k / pi_ref_j) exp((r_k - r_j) / beta) carry pi_ref_k as a factor, so a finite reward
multiplies zero. At zero itself the formula is traced for two, three and four answers, the last one unsupported.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, j, k, log_ref, reward
from dpo_theory.proof import Step


def derive():
    best = optimal.optimal_log_policy(reward, log_ref, beta)
    yield Step(
        "the odds carry the reference's",
        sp.exp(best[k] - best[j]),
        sp.exp(log_ref[k] - log_ref[j]) * sp.exp((reward[k] - reward[j]) / beta),
        "Z cancels",
    )
    for size in (2, 3, 4):
        supported = sp.symbols(f"a_1:{size}", real=True)
        rewards = np.array(sp.symbols(f"r_1:{size + 1}", real=True), dtype=object)
        masked = optimal.optimal_log_policy(rewards, np.array([*supported, -sp.oo], dtype=object), beta)
        alone = optimal.optimal_log_policy(rewards[:-1], np.array(supported, dtype=object), beta)
        yield Step(f"{size} answers, the last unsupported", sp.exp(masked[-1]), 0, "0 e^{r/beta} = 0", sizes="")
        yield Step(f"{size} answers: the others do not see it", sp.exp(masked[0]), sp.exp(alone[0]), "Z is the same", sizes="")


def certify(bandit, rng):
    if not bandit.support.all():
        log_ref = bandit.log_ref
    else:
        dropped = rng.integers(bandit.n_actions)
        kept = np.arange(bandit.n_actions) != dropped
        if not np.isfinite(bandit.reward[:, kept]).any(axis=-1).all():
            return
        log_ref = np.where(kept, bandit.log_ref, -np.inf)
        log_ref = log_ref - np.logaddexp.reduce(log_ref, axis=-1, keepdims=True)
    missing = log_ref == -np.inf
    tempting = np.where(missing, 1e6, bandit.reward)
    best = np.exp(optimal.optimal_log_policy(tempting, log_ref, bandit.beta))
    plain = np.exp(optimal.optimal_log_policy(bandit.reward, log_ref, bandit.beta))
    yield Measured("pi* where the reference has no support", best[missing], 0.0, tolerance=0.0)
    yield Measured("a reward of a million there changes nothing", best, plain, tolerance=0.0)


def tiny_support():
    bandit = TabularBandit([1.0], [[0.0, 1000.0]], np.log([[1.0 - 1e-300, 1e-300]]), 1.0)
    best = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta))[0, 1]
    return breaks(
        best > 0.99,
        problem="pi_ref = 1e-300 on the second answer, r = (0, 1000), beta = 1",
        expected="pi* = 0 there",
        got=f"pi* = {best:.6g}",
        because="e^1000 outweighs 1e-300: only a reference that is exactly 0 is never left",
    )


def infinite_reward():
    try:
        optimal.optimal_log_policy([[0.0, np.inf]], np.array([[0.0, -np.inf]]), 1.0)
    except ValueError as error:
        refused = str(error)
    else:
        return None
    with np.errstate(invalid="ignore"):
        product = float(np.float64(0.0) * np.inf)
    return breaks(
        np.isnan(product),
        problem="ref = (1, 0), r = (0, inf), beta = 1",
        expected="pi* = 0 on the second answer",
        got=f"pi_ref e^(r/beta) = 0 * inf = {product}; refused: {refused}",
        because="0 * inf has no value",
    )


CLAIM = Claim(
    id="D04b",
    aliases=("no-exploration",),
    statement=__doc__,
    source=Source(PAPER, "eq. 4"),
    assumes=("pi_ref(y|x) = 0 exactly", "r is finite"),
    derive=derive,
    certify=certify,
    edges={"pi_ref(y|x) = 0 exactly": tiny_support, "r is finite": infinite_reward},
)
