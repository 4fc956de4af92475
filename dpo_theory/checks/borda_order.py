"""Whatever people prefer, the optimum ranks answers by their average win rate.

Under the uniform design the optimal log-ratios are ordered as the Borda scores, for every preference matrix, transitive or not; an
optimum that ties answers of different scores ranks nothing. For a strictly convex margin loss this holds for every matrix if and
only if l'(m) + l'(-m) is a negative constant.
"""

from itertools import combinations, product

import numpy as np
import sympy as sp

from bandits.problem import TabularBandit
from bandits.solve import minimise_loss
from dpo_theory.checks.check import Check, holds, not_applicable, proved, refuted, undecided
from dpo_theory.checks.deciding import decimal, margin_slopes, seen_margin_only, sign_of
from dpo_theory.checks.population import best_log_ratios, best_scores, reward_scale
from dpo_theory.evidence import Counterexample
from dpo_theory.proof import is_zero

# P(1>2), P(1>3), P(2>3), and with a fourth answer P(1>2), P(1>3), P(1>4), P(2>3), P(2>4), P(3>4)
PREFERENCES = (
    (0.62, 0.78, 0.98),
    (0.555, 0.438, 0.96, 0.032, 0.977, 0.042),
    (0.61, 0.69, 0.98),
    (0.68, 0.57, 0.98),
    (0.5725, 0.99, 0.8555, 0.99, 0.99, 0.99),
    (0.9, 0.3, 0.8),
)
OFF_MARGIN = (
    (0.95, 0.27, 0.28),
    (0.35, 0.76, 0.32),
    (0.62, 0.78, 0.98),
    (0.495, 0.9, 0.9),
    (0.495, 0.6, 0.6),
    (0.51, 0.6, 0.6),
    (0.495, 0.99, 0.99),
)
CLEAR = 1e-3
STRICTLY = 0.1  # answers whose win rates, summed over the others, are further apart than this have to be apart


def run(subject, rng):
    if subject.batch_coupled:
        return not_applicable("the loss is batch-coupled: it has no population optimum of its own")
    if subject.margin_expression is not None:
        loss, m = subject.margin_expression
        slope = sp.diff(loss, m)
        falls = slope.subs(m, 0).is_negative  # half of the constant
        if falls and is_zero(decimal(sp.diff(slope + slope.subs(m, -m), m))) and sign_of(sp.diff(loss, m, 2), m).positive:
            return proved("l'(m) + l'(-m) is a negative constant and l is strictly convex")
    drawn = [tuple(rng.uniform(0.05, 0.95, size=3)) for _ in range(2)]
    matrices = [_matrix(upper) for upper in (*PREFERENCES, *drawn)]
    if seen_margin_only(subject):
        return _by_grids(subject, [*_aimed(subject), *(matrices[:3] if subject.alone else matrices)])
    off_margin = [_matrix(upper) for upper in (*OFF_MARGIN, drawn[0])]
    return _by_search(subject, off_margin) if subject.alone else _by_policies(subject, off_margin)


def _aimed(subject):
    """Preferences whose optimum ranks two close answers 1 and 2 against their win rates, built from the slopes of the loss.

    Stationary scores leave one freedom, a flow around the three answers; where l'(m) + l'(-m) is not constant it moves win rates.
    """
    scale = reward_scale(subject)
    best, found = 0.0, []
    for near, far in product((0.02, 0.01, 0.005), (0.5, 1.0, 2.0, 4.0)):
        margins = scale * np.array([near, far, far - near])  # of the pairs (1, 2), (1, 3), (2, 3)
        up, down = margin_slopes(subject, margins), margin_slopes(subject, -margins)
        total = up + down
        if not (total < 0).all():
            continue
        for flow in np.linspace(-1, 1, 81) * np.abs(total).max():
            wins = (down + flow * np.array([1, -1, 1])) / total
            against = (1 - wins[0] + wins[2]) - (wins[0] + wins[1])
            if (wins > 0.02).all() and (wins < 0.98).all() and against > CLEAR and against * near > best:
                best, found = against * near, [_matrix(tuple(wins))]
    return found


def _by_grids(subject, matrices):
    """Functions of the margin, kinks and flat parts included."""
    for p in matrices:
        scores, risk = best_scores(subject, p)
        for i, j in _against(scores, p, STRICTLY):
            other, price = best_scores(subject, p, above=(i, j, _least(subject, scores, i, j)))
            if price - risk > 1e-7 * (1 + abs(risk)):
                because = _because(scores, i, j)
                expected = f"the order of the row sums; the best scores in that order, {other.round(4).tolist()}, have risk {price:.8g}"
                got = f"scores {scores.round(4).tolist()} with risk {risk:.8g}, row sums {p.sum(axis=1).round(4).tolist()}"
                return refuted(Counterexample(_problem(p), expected, got, because))
    return holds(len(matrices), 0.0, CLEAR, method="preference matrices, grids of scores", reason="measured, not proved")


def _by_policies(subject, matrices):
    """Losses that see more than the margin: grids of policies; a risk that has no floor decides nothing."""
    log_ref, settled = np.log([0.2, 0.3, 0.5]), 0
    for p in matrices:
        scores, risk = best_log_ratios(subject, p, log_ref)
        further = best_log_ratios(subject, p, log_ref, reach=36.0)[1]
        for i, j in _against(scores, p, STRICTLY):
            other, price = best_log_ratios(subject, p, log_ref, above=(i, j, _least(subject, scores, i, j)))
            gap = price - risk
            if gap > 1e-7 * (1 + abs(risk)) and risk - further < gap / 2:
                because = _because(scores, i, j)
                expected = f"the order of the row sums; the best log-ratios in that order, {other.round(4).tolist()}, have risk {price:.8g}"
                got = f"log-ratios {scores.round(4).tolist()} with risk {risk:.8g}, row sums {p.sum(axis=1).round(4).tolist()}"
                return refuted(Counterexample(f"{_problem(p)}, reference 0.2, 0.3, 0.5", expected, got, because))
        settled += risk - further < 1e-3 * (1 + abs(risk))
    if not settled:
        return undecided("no preference matrix gives a risk with a floor")
    return holds(settled, 0.0, CLEAR, method="preference matrices, grids of policies", reason="measured, not proved")


def _by_search(subject, matrices):
    """A loss that has to be called on one pair at a time: the solver's optimum."""
    unsolved = 0
    for p in matrices:
        bandit = TabularBandit(np.ones(1), np.zeros((1, 3)), np.log([[0.2, 0.3, 0.5]]), 1.0, tokens=np.full((1, 3), 4))
        try:
            found = minimise_loss(bandit, subject.losses, preferences=p[None])
        except ValueError as error:
            return undecided(f"the solver refuses the loss: {error}")
        if found.status != "optimal":
            unsolved += 1
            continue
        scores = (found.log_policy - bandit.log_ref)[0]
        for i, j in _against(scores, p):
            got = f"log-ratios {scores.round(6).tolist()}, row sums {p.sum(axis=1).round(6).tolist()}"
            because = f"answers {i + 1} and {j + 1} are ranked against their average win rate"
            return refuted(Counterexample(_problem(p), "the order of the row sums", got, because))
    if unsolved == len(matrices):
        return undecided("the solver found no optimum for any preference matrix")
    return holds(len(matrices) - unsolved, 0.0, CLEAR, method="preference matrices of three answers", reason="measured, not proved")


def _against(scores, p, tied=np.inf):
    """(i, j): i wins clearly more often than j on average, and has the lower score; or the same one, where it wins more by `tied`."""
    borda = p.sum(axis=1)
    for i, j in combinations(range(len(p)), 2):
        high, low = (i, j) if borda[i] > borda[j] else (j, i)
        ahead = borda[high] - borda[low]
        if ahead > CLEAR and (scores[high] < scores[low] or (ahead > tied and scores[high] == scores[low])):
            yield high, low


def _least(subject, scores, i, j):
    """By how much i has to be above j in what an optimum is compared with: not at all where it is below, visibly where it is level."""
    return 0.0 if scores[i] < scores[j] else CLEAR * reward_scale(subject)


def _because(scores, i, j):
    if scores[i] == scores[j]:
        return f"answers {i + 1} and {j + 1} have one log-ratio and different average win rates"
    return f"answers {i + 1} and {j + 1} are ranked against their average win rate"


def _matrix(upper):
    size = {3: 3, 6: 4}[len(upper)]
    p = np.full((size, size), 0.5)
    for (i, j), wins in zip(combinations(range(size), 2), upper, strict=True):
        p[i, j], p[j, i] = wins, 1 - wins
    return p


def _problem(p):
    return ", ".join(f"P({i + 1}>{j + 1}) = {p[i, j]:.4g}" for i, j in combinations(range(len(p)), 2)) + ", uniform design"


CHECK = Check(
    code="P21",
    name="borda-order",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="intransitive preferences are resolved by another rule",
)
