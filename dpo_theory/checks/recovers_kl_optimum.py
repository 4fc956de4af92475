"""On exact preferences the loss has the KL-regularised RLHF optimum.

Under Bradley-Terry preferences of the reward the gradient of the population loss is 0 at pi* of eq. 4, and `minimise_loss` ends
there, on skewed references, unequal weights and skewed designs.
"""

import numpy as np

from bandits.data import PairLogProbs
from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory import optimal
from dpo_theory.checks.check import Check, holds, not_applicable, refuted, undecided
from dpo_theory.checks.population import fitted_beta
from dpo_theory.evidence import Counterexample
from dpo_theory.preferences import bradley_terry

TOLERANCE = 1e-8
LENGTHS = (4.0, 2.0, 7.0, 5.0, 3.0)  # in tokens, of the answers


def run(subject, rng):
    if subject.batch_coupled:
        return not_applicable("the loss is batch-coupled: it has no population optimum of its own")
    if subject.epsilon > 1e-9:
        return not_applicable("the loss computes in float32, the search for its optimum needs float64")
    beta = fitted_beta(subject) or 1.0
    problems = _problems(beta, rng)
    for bandit, design in problems:
        steep = _slope(subject, bandit, design)
        if not steep <= TOLERANCE:
            best = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta))
            because = "the gradient of the population loss at pi* is not 0, relative to the sizes of its terms"
            shown = Counterexample(f"{bandit!r}, policy pi* = {best.round(6).tolist()}", "gradient 0", f"{steep:.3g}", because)
            return refuted(shown, residual=steep)
    if subject.backend == "numpy" and subject.reduction != "none":
        return holds(
            len(problems), TOLERANCE, TOLERANCE, method="pi* is stationary", reason="a NumPy mean has no derivatives to search with"
        )
    return _search(subject, problems)


def _search(subject, problems):
    worst = 0.0
    for bandit, design in problems:
        try:
            found = minimise_loss(bandit, subject.losses, design=design)
        except ValueError as error:
            return undecided(f"pi* is stationary, but the solver refuses the loss: {error}")
        if found.status != "optimal":
            return undecided(f"pi* is stationary, but the search ends {found.status}: {found.certificate.reason}")
        best = np.exp(optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta))
        distance = float(np.abs(np.exp(found.log_policy) - best).sum(axis=-1).max() / 2)
        if not distance <= TOLERANCE:
            got = f"{np.exp(found.log_policy).round(6).tolist()}, where the search rests"
            because = f"total variation {distance:.3g}"
            return refuted(Counterexample(f"{bandit!r}", str(best.round(6).tolist()), got, because), residual=distance)
        worst = max(worst, distance)
    return holds(len(problems), worst, TOLERANCE, method="minimise_loss against eq. 4")


def _slope(subject, bandit, design):
    """Largest derivative of the population loss in the logits at pi*, relative to the sizes of its terms."""
    log_policy = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)
    contexts, actions = log_policy.shape
    weight = 1 - np.eye(actions) if design is None else design
    x, i, j = (index.reshape(-1) for index in np.indices((contexts, actions, actions)))
    keep = i != j
    x, i, j = x[keep], i[keep], j[keep]
    columns = (log_policy[x, i], log_policy[x, j], bandit.log_ref[x, i], bandit.log_ref[x, j], bandit.tokens[x, i], bandit.tokens[x, j])
    slopes = subject.gradients(PairLogProbs(*columns))
    wins = np.exp(bradley_terry(bandit.reward[x, i], bandit.reward[x, j]))
    mass = (wins * np.broadcast_to(weight, (contexts, actions, actions))[x, i, j])[:, None] * slopes
    chosen, rejected = (np.eye(actions)[k] - np.exp(log_policy[x]) for k in (i, j))
    terms = mass[:, :1] * chosen, mass[:, 1:] * rejected
    total, size = np.zeros((contexts, actions)), np.zeros((contexts, actions))
    for term in terms:
        np.add.at(total, x, term)
        np.add.at(size, x, np.abs(term))
    return float(np.max(np.abs(total)) / max(np.max(size), 1e-300))


def _problems(beta, rng):
    lengths = np.resize(LENGTHS, (2, 4))
    small = TabularBandit(np.ones(1), np.array([[beta, 0.0, -beta]]), np.log([[0.5, 0.3, 0.2]]), beta, tokens=lengths[:1, :3])
    drawn = []
    for actions in (3, 4):
        logits = rng.normal(size=(2, actions))
        log_ref = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        reward = rng.normal(size=(2, actions)) * beta * 1.5
        weight = rng.uniform(0.2, 2.0, size=(2, actions, actions))
        weight = (weight + weight.transpose(0, 2, 1)) * (1 - np.eye(actions))
        drawn.append((TabularBandit(np.array([0.3, 0.7]), reward, log_ref, beta, tokens=lengths[:, :actions]), weight))
    return [(small, None), *drawn]


CHECK = Check(
    code="P17",
    name="recovers-kl-optimum",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="the loss has another optimum than RLHF; that may be its purpose",
)
