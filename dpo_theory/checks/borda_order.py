"""Whatever people prefer, the optimum ranks answers by their average win rate.

Under the uniform design the optimal log-ratios are ordered as the Borda scores, for every preference matrix, transitive or not.
For a strictly convex margin loss this holds for every matrix if and only if l'(m) + l'(-m) is constant.
"""

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted, undecided
from dpo_theory.checks.deciding import exact
from dpo_theory.evidence import Counterexample
from dpo_theory.proof import is_zero
from dpo_theory.rigor.sign import sign_on_reals

MATRICES = [(0.62, 0.78, 0.98), (0.61, 0.69, 0.98), (0.68, 0.57, 0.98), (0.69, 0.56, 0.98), (0.9, 0.3, 0.8), (0.55, 0.95, 0.6)]


def run(subject, rng):
    if subject.reduction != "none" or subject.batch_coupled:
        return not_applicable("the loss is reduced or batch-coupled: it has no population optimum of its own")
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        slope = sp.diff(loss, m)
        if is_zero(exact(sp.diff(slope + slope.subs(m, -m), m))) and sign_on_reals(sp.diff(loss, m, 2), m).positive:
            return proved("l'(m) + l'(-m) is constant and l is strictly convex")
    bandit = TabularBandit([1.0], [[0.0, 0.0, 0.0]], np.log([[0.2, 0.3, 0.5]]), 1.0)
    unsolved = 0
    drawn = [tuple(rng.uniform(0.05, 0.95, size=3)) for _ in range(6)]
    for p12, p13, p23 in [*MATRICES, *drawn]:
        p = np.array([[0.5, p12, p13], [1 - p12, 0.5, p23], [1 - p13, 1 - p23, 0.5]])
        try:
            found = minimise_loss(bandit, subject.losses, preferences=p[None])
        except ValueError as error:
            return undecided(f"the solver refuses the loss: {error}")
        if found.status != "optimal":
            unsolved += 1
            continue
        score = (found.log_policy - bandit.log_ref)[0]
        borda = p.sum(axis=1)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            if (score[i] - score[j]) * (borda[i] - borda[j]) < -1e-7:
                problem = f"P(1>2) = {p12:.4g}, P(1>3) = {p13:.4g}, P(2>3) = {p23:.4g}, uniform design"
                got = f"log-ratios {score.round(6).tolist()}, row sums {borda.round(6).tolist()}"
                because = f"answers {i + 1} and {j + 1} are ranked against their average win rate"
                return refuted(Counterexample(problem, "the order of the row sums", got, because))
    total = len(MATRICES) + len(drawn)
    if unsolved == total:
        return undecided("the solver found no optimum for any preference matrix")
    return holds(total - unsolved, 0.0, 1e-7, method="preference matrices of three answers", reason="measured, not proved")


CHECK = Check(
    code="P21",
    name="borda-order",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="intransitive preferences are resolved by another rule",
)
