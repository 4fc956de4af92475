"""On exact preferences the loss has the KL-regularised RLHF optimum.

`minimise_loss` under Bradley-Terry preferences of the reward ends at pi* of eq. 4, on skewed references, unequal weights and
skewed designs.
"""

import numpy as np

from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import optimal
from dpo_theory.checks.check import Check, holds, not_applicable, refuted, undecided
from dpo_theory.checks.population import fitted_beta
from dpo_theory.evidence import Counterexample

TOLERANCE = 1e-8


def run(subject, rng):
    if subject.batch_coupled:
        return not_applicable("the loss is batch-coupled: it has no population optimum of its own")
    if subject.epsilon > 1e-9:
        return not_applicable("the loss computes in float32, the search for its optimum needs float64")
    beta = fitted_beta(subject) or 1.0
    worst = 0.0
    problems = _problems(beta, rng)
    for bandit, design in problems:
        try:
            found = minimise_loss(bandit, subject.losses, design=design)
        except ValueError as error:
            return undecided(f"the solver refuses the loss: {error}")
        best = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta))
        distance = float(np.abs(np.exp(found.log_policy) - best).sum(axis=-1).max() / 2) if found.status == "optimal" else np.nan
        if not distance <= TOLERANCE:
            got = f"{np.exp(found.log_policy).round(6).tolist()} (status {found.status})"
            because = f"total variation {distance:.3g}" if distance == distance else f"the solver says {found.status}"
            return refuted(Counterexample(f"{bandit!r}, beta {beta:g}", str(best.round(6).tolist()), got, because), residual=distance)
        worst = max(worst, distance)
    return holds(len(problems), worst, TOLERANCE, method="minimise_loss against eq. 4")


def _problems(beta, rng):
    small = TabularBandit([1.0], [[1.0 * beta, 0.0, -1.0 * beta]], np.log([[0.5, 0.3, 0.2]]), beta)
    drawn = []
    for actions in (3, 4):
        logits = rng.normal(size=(2, actions))
        log_ref = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        reward = rng.normal(size=(2, actions)) * beta * 1.5
        weight = rng.uniform(0.2, 2.0, size=(2, actions, actions))
        weight = (weight + weight.transpose(0, 2, 1)) * (1 - np.eye(actions))
        drawn.append((TabularBandit([0.3, 0.7], reward, log_ref, beta), weight))
    return [(small, None), *drawn]


CHECK = Check(
    code="P17",
    name="recovers-kl-optimum",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="the loss has another optimum than RLHF; that may be its purpose",
)
