r"""Forms of the objective.

    E[r] - beta KL  =  E_{y~pi}[ r - beta KL(pi(.|x) || pi_ref(.|x)) ]  =  E_{y~pi}[ r - beta log pi/pi_ref ]

whenever E_pi|r| and KL(pi || pi_ref) are finite, as on finitely many answers with r finite. On infinitely many answers the last form
can be finite where the first is inf - inf, even if Z is finite.

Why: the KL is one number per prompt, so its mean over y is itself; and KL is the mean of log pi/pi_ref.
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, expectation, log_policy, log_ref, reward, sums_to_one
from dpo_theory.claims.rungs import full_support
from dpo_theory.proof import Step


def derive():
    value = optimal.objective(log_policy, reward, log_ref, beta)
    kl = optimal.kl_divergence(log_policy, log_ref)
    yield Step(
        "KL inside the expectation",
        expectation(log_policy, reward - beta * kl),
        value,
        "the mean of a constant",
        facts=(sums_to_one(log_policy),),
        names={kl: r"\mathrm{KL}"},
    )
    yield Step(
        "the log-ratio inside the expectation",
        expectation(log_policy, reward - beta * (log_policy - log_ref)),
        value,
        "KL is the mean of the log-ratio",
    )


def certify(bandit, rng):
    if not full_support(bandit):
        return
    log_pi = np.log(rng.dirichlet(np.ones(bandit.n_actions), size=bandit.n_contexts))
    value = optimal.objective(log_pi, bandit.reward, bandit.log_ref, bandit.beta)
    kl = optimal.kl_divergence(log_pi, bandit.log_ref)[:, None]
    ratio = log_pi - bandit.log_ref
    scale = np.sum(np.exp(log_pi) * (np.abs(bandit.reward) + bandit.beta * np.abs(ratio)), axis=-1) + bandit.beta * kl[:, 0]
    outer = np.sum(np.exp(log_pi) * (bandit.reward - bandit.beta * kl), axis=-1)
    inner = np.sum(np.exp(log_pi) * (bandit.reward - bandit.beta * ratio), axis=-1)
    yield Measured("E[r - beta KL] against J", outer, value, scale)
    yield Measured("E[r - beta log pi/ref] against J", inner, value, scale)


def infinite_mean_reward():
    """pi*_k = C / (k log^2 k), r_k = k, beta = 1, so pi_ref_k is proportional to pi*_k e^{-k} and r - log pi*/pi_ref = log Z."""
    k = np.arange(2, 1_000_001, dtype=float)
    weight = 1 / (k * np.log(k) ** 2)
    norm = weight.sum() + 1 / np.log(k[-1] + 0.5)  # the rest of the sum is an integral to 1e-12
    log_z = np.log(norm) - np.log(np.sum(weight * np.exp(-k)))
    policy = weight / norm
    log_ratio = k - log_z
    rewards, divergences = (np.cumsum(policy * term)[[998, 99_998, 999_998]] for term in (k, log_ratio))
    inner = k - log_ratio
    return breaks(
        bool((np.diff([rewards, divergences]) > 100).all() and np.ptp(inner) < 1e-9 and np.isfinite(log_z)),
        problem="pi_k proportional to 1/(k log^2 k), k >= 2, r_k = k, pi_ref_k proportional to pi_k e^{-k}, beta = 1",
        expected="E[r] - KL is a number",
        got=f"partial sums up to k = 1e3, 1e5, 1e6: E[r] {rewards.round(1).tolist()}, KL {divergences.round(1).tolist()}; "
        f"E[r - log pi/pi_ref] = log Z = {log_z:.4f}",
        because="both E[r] and KL are infinite although Z is finite",
    )


def not_a_law():
    log_pi, log_ref, r = np.log([0.5, 0.25]), np.log([0.5, 0.5]), np.array([1.0, 0.0])
    kl = np.exp(log_pi) @ (log_pi - log_ref)
    inside, outside = np.exp(log_pi) @ (r - kl), np.exp(log_pi) @ r - kl
    return breaks(
        abs(inside - outside) > 0.01,
        problem="pi = (1/2, 1/4), ref = (1/2, 1/2), r = (1, 0), beta = 1",
        expected=f"{outside:.6g}",
        got=f"{inside:.6g} with the KL inside the expectation",
        because="the mean of a constant is that constant only under a law",
    )


CLAIM = Claim(
    id="D04e",
    aliases=("eq11",),
    statement=__doc__,
    source=Source(PAPER, "eq. 3 and eq. 11"),
    assumes=("E_pi|r| and KL are finite", "pi sums to 1"),
    derive=derive,
    certify=certify,
    edges={"E_pi|r| and KL are finite": infinite_mean_reward, "pi sums to 1": not_a_law},
)
