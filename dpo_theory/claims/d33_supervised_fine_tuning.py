r"""Supervised fine-tuning ends at the empirical law.

    argmax over pi of sum_i W_i log pi_i = W,    W the frequencies of the demonstrations, for every tabular policy class.

Why: sum W log W - sum W log pi = KL(W || pi) >= 0, and it is 0 only at pi = W (claim D03b). In logits the slope is W - pi.
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from bandits import policies
from dpo_theory import optimal
from dpo_theory._xp import logsumexp
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import expectation, log_policy, sums_to_one, t
from dpo_theory.proof import Step, row


def derive():
    logits, direction = row("u"), row("v")
    law = row("log_W")
    yield Step(
        "what a policy lacks in likelihood is KL(W || pi)",
        expectation(law, law) - expectation(law, log_policy),
        optimal.kl_divergence(law, log_policy),
        "for every pi > 0",
    )
    moved = logits + t * direction
    yield Step(
        "in logits the slope is W - pi",
        sp.diff(expectation(law, moved - logsumexp(moved)), t).subs(t, 0),
        expectation(law, direction) - expectation(logits - logsumexp(logits), direction),
        "W sums to 1",
        facts=(sums_to_one(law),),
    )


def certify(bandit, rng):
    counts = rng.integers(0, 30, size=bandit.reward.shape) + np.eye(bandit.n_actions, dtype=int)[0]
    found = policies.fine_tuning(counts)
    seen = counts > 0
    best = np.sum(counts * np.where(seen, found, 0.0), axis=-1)
    other = optimal.optimal_log_policy(rng.normal(size=counts.shape), np.full(counts.shape, -np.log(counts.shape[1])), 1.0)
    lost = counts.sum(axis=-1) * optimal.kl_divergence(found, other)
    yield Measured("lost likelihood", best - np.sum(counts * other, axis=-1), lost, np.abs(best) + np.sum(counts * -other, axis=-1))


def search(bandit, rng):
    counts = rng.integers(1, 30, size=bandit.n_actions)

    def cost(u):
        log_probs = u - np.logaddexp.reduce(u)
        return -counts @ log_probs / counts.sum(), np.exp(log_probs) - counts / counts.sum()

    found = minimize(cost, np.zeros(len(counts)), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    found = np.exp(found - np.logaddexp.reduce(found))
    yield Measured("policy of greatest likelihood", found, np.exp(policies.fine_tuning(counts[None])[0]), tolerance=1e-7)


def shared_parameters():
    law = np.array([0.5, 0.5, 0.0])
    shares = np.linspace(0.01, 0.99, 99)
    likelihood = law[0] * np.log(shares) + (law[1] + law[2]) * np.log((1 - shares) / 2)
    best = shares[np.argmax(likelihood)]
    return breaks(
        abs((1 - best) / 2 - law[1]) > 0.1,
        problem="W = (1/2, 1/2, 0), policies (p, (1 - p)/2, (1 - p)/2)",
        expected="pi = W",
        got=f"p = {best:.2f}: pi = ({best:.2f}, {(1 - best) / 2:.2f}, {(1 - best) / 2:.2f})",
        because="a class that ties answers together cannot represent W; SFT ends at its projection",
    )


CLAIM = Claim(
    id="D33",
    aliases=("sft",),
    statement=__doc__,
    source=Source(PAPER, "section 3: the SFT phase"),
    assumes=("tabular policy",),
    derive=derive,
    certify=certify,
    search=search,
    edges={"tabular policy": shared_parameters},
)
