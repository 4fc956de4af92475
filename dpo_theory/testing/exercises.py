"""Exercises of the notebooks: the answer is computed when it is asked for, by code that shares none with the formula that is taught.

An answer that a known slip would give is told which slip it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["EXERCISES", "Answer", "Exercise", "exercise"]

AGREE = 2e-3
PLACEHOLDER = "Put your answer in place of the three dots, and run the cell again."


@dataclass(frozen=True)
class Answer:
    """What is said to an answer."""

    right: bool
    said: str

    def __repr__(self) -> str:
        return self.said


@dataclass(frozen=True)
class Exercise:
    """One question with one number as its answer.

    Args:
        solve: () -> the answer, found by a search, an enumeration or a simulation of what the question says.
        learned: what a right answer shows.
        hint: where to begin, for an answer that no slip explains.
        slips: what is said -> the number that this slip gives.
        within: the relative error that is forgiven; a count is exact.
    """

    solve: Callable[[], float]
    learned: str
    hint: str
    slips: Mapping[str, Callable[[], float]]
    within: float = AGREE

    def agrees(self, given: float, wanted: float) -> bool:
        """The two numbers are one answer."""
        return abs(given - wanted) <= self.within * max(abs(wanted), 1e-3)


def exercise(name: str, answer: Any) -> Answer:
    """Check an answer to an exercise; nothing is raised for a wrong one.

    Args:
        name: of the exercise.
        answer: one number; a relative error of 0.002 is forgiven, but not in a count.

    Returns:
        An Answer: `right`, and `said`, a sentence for a right one and a hint for a wrong one.

    Raises:
        ValueError: no exercise is called so.

    >>> exercise("optimal-policy", 0.5).right
    False
    """
    if name not in EXERCISES:
        raise ValueError(f"no exercise is called {name!r}; there are {', '.join(EXERCISES)}.")
    if answer is ... or answer is None:
        return Answer(False, PLACEHOLDER)
    try:
        given = float(np.asarray(answer, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return Answer(False, f"The answer is one number; {answer!r} is not.")
    if not math.isfinite(given):
        return Answer(False, f"The answer is a finite number; {given} is not.")
    asked = EXERCISES[name]
    if asked.agrees(given, asked.solve()):
        return Answer(True, f"Right. {asked.learned}")
    for said, slip in asked.slips.items():
        if asked.agrees(given, slip()):
            return Answer(False, f"Not quite. {said}")
    return Answer(False, f"Not yet. {asked.hint}")


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-10))


def _searched(reward: list[float], ref: list[float], beta: float) -> np.ndarray:
    """(A,) the policy of largest value, by search."""
    from bandits.maximise import maximise_value
    from bandits.problem import TabularBandit

    return np.exp(maximise_value(TabularBandit([1.0], [reward], np.log([ref]), beta)).log_policy[0])


def _level_beta() -> float:
    return _root(lambda beta: float(np.diff(_searched([0.0, 1.0, 2.0], [0.6, 0.3, 0.1], beta)[[0, 2]])[0]), 0.5, 3.0)


def _third_pair() -> float:
    from scipy.optimize import minimize

    games = ((0, 1, 0.8), (1, 2, 0.7))

    def cost(strengths: np.ndarray) -> float:
        gaps = [(strengths[a] - strengths[b], share) for a, b, share in games]
        return float(sum(share * np.log1p(np.exp(-gap)) + (1 - share) * np.log1p(np.exp(gap)) for gap, share in gaps))

    found = minimize(cost, np.zeros(3), method="BFGS", options={"gtol": 1e-10}).x
    return float(np.exp(found[0]) / (np.exp(found[0]) + np.exp(found[2])))


def _dpo_slope() -> float:
    step = 1e-5
    costs = [math.log1p(math.exp(-0.5 * ((-14.0 + move + 13.0) - (-15.0 + 12.0)))) for move in (-step, step)]
    return (costs[1] - costs[0]) / (2 * step)


def _representative() -> float:
    reward, ref = np.array([2.0, 1.0, 0.0, -1.0]), np.array([0.4, 0.3, 0.2, 0.1])
    shift = _root(lambda c: float(ref @ np.exp((reward - c) / 0.5)) - 1.0, -2.0, 4.0)
    return float(reward[0] - shift)


def _second_place() -> float:
    worth = np.exp([1.0, 0.5, 0.0, -1.0])
    total = 0.0
    for order in itertools.permutations(range(4)):
        if order[1] == 1:
            left = [worth[list(order[place:])].sum() for place in range(4)]
            total += math.prod(worth[answer] / rest for answer, rest in zip(order, left, strict=True))
    return float(total)


def _odds_after_dpo() -> float:
    from bandits.minimise import minimise_loss
    from bandits.problem import TabularBandit

    wins = np.full((1, 3, 3), 0.5)
    wins[0, 0, 1], wins[0, 1, 0] = 0.75, 0.25
    bandit = TabularBandit([1.0], [[0.0, 0.0, 0.0]], np.log([[0.1, 0.4, 0.5]]), 0.5)
    design = np.zeros((1, 3, 3))
    design[0, 0, 1] = design[0, 1, 0] = 0.5
    found = minimise_loss(bandit, lambda pairs: np.logaddexp(0.0, -0.5 * pairs.margin), design=design, preferences=wins)
    return float(np.exp(found.log_policy[0, 0] - found.log_policy[0, 1]))


def _spent(beta: float, *, turned: bool = False) -> float:
    ref = np.array([0.5, 0.3, 0.15, 0.05])
    policy = _searched([0.0, 1.0, 2.0, 3.0], ref.tolist(), beta)
    first, second = (ref, policy) if turned else (policy, ref)
    return float(first @ np.log(first / second))


def _budget_beta(*, turned: bool = False) -> float:
    return _root(lambda beta: _spent(beta, turned=turned) - 0.2, 0.5, 20.0)


def _smoothed_margin(beta: float = 0.1) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda margin: 0.9 * np.logaddexp(0.0, -beta * margin) + 0.1 * np.logaddexp(0.0, beta * margin),
        bounds=(0.0, 4.0 / beta),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def _ipo(*, average: bool) -> float:
    chosen, rejected = np.full(40, 6.0 / 40), np.full(10, -1.0 / 10)
    sides = [tokens.mean() if average else tokens.sum() for tokens in (chosen, rejected)]
    return float((sides[0] - sides[1] - 1 / (2 * 0.1)) ** 2)


def _completions() -> float:
    ended = {text[: text.index(0) + 1] if 0 in text else text for text in itertools.product(range(8), repeat=4)}
    return float(len(ended))


def _one_game() -> float:
    from dpo_theory.fitting.examples import EXAMPLES

    known = EXAMPLES["baseball"]
    wins = np.array(known.wins, dtype=float)
    played, worth = wins + wins.T, np.ones(len(wins))
    for _ in range(2000):
        worth = wins.sum(axis=1) / (played / (worth[:, None] + worth)).sum(axis=1)
    first, second = worth[known.items.index("Milwaukee")], worth[known.items.index("Baltimore")]
    return float(first / (first + second))


def _seen_share() -> float:
    from dpo_theory.fitting.examples import EXAMPLES

    known = EXAMPLES["baseball"]
    a, b = known.items.index("Milwaukee"), known.items.index("Baltimore")
    return known.wins[a][b] / (known.wins[a][b] + known.wins[b][a])


EXERCISES: dict[str, Exercise] = {
    "optimal-policy": Exercise(
        _level_beta,
        "At this price two more units of reward make up for a sixth of the reference probability; below it reward wins.",
        "Set the two log-probabilities equal, log pi_ref + r / beta for each answer: log Z is the same on both sides.",
        {
            "That is 1 / beta: solve for beta, not for its inverse.": lambda: 1.0 / _level_beta(),
            "The sign is wrong: beta is a price and positive.": lambda: -_level_beta(),
            "The rewards differ by 2 between these two answers, not by 1.": lambda: _level_beta() / 2,
        },
    ),
    "preference": Exercise(
        _third_pair,
        "Log-odds add along a chain of comparisons: that is what it means that a reward exists.",
        "Turn both probabilities into log-odds, add them, and turn the sum back into a probability.",
        {
            "Probabilities do not multiply along a chain: this is what you would get if they did.": lambda: 0.8 * 0.7,
            "That is how often C beats A.": lambda: 1.0 - _third_pair(),
            "Those are odds, not a probability.": lambda: _third_pair() / (1.0 - _third_pair()),
        },
    ),
    "gradient": Exercise(
        _dpo_slope,
        "The slope is minus beta times the weight, and the weight is small because the pair is already ordered as the label says.",
        "First the margin: log-ratio of the chosen answer minus log-ratio of the rejected one. Then -beta s(-beta margin).",
        {
            "The sign: the loss falls when the chosen log-probability rises.": lambda: -_dpo_slope(),
            "The weight is s(-beta margin): it is large where the pair is ordered wrongly.": lambda: -0.5 - _dpo_slope(),
            "The chain rule leaves a factor beta in front.": lambda: _dpo_slope() / 0.5,
        },
    ),
    "reward-class": Exercise(
        _representative,
        "This member of the class is beta log(pi/pi_ref) of its own optimal policy: the one reward that a policy can write down.",
        "Subtract from every entry one number, such that sum pi_ref exp(r / beta) becomes 1.",
        {
            "That is r minus its mean; the number to subtract is beta log Z.": lambda: 1.5,
            "beta log Z, not log Z, is subtracted.": lambda: 2.0 - (2.0 - _representative()) / 0.5,
            "That is the number that is subtracted; the question is what is left.": lambda: 2.0 - _representative(),
        },
    ),
    "plackett-luce": Exercise(
        _second_place,
        "Sum over who came first: without the first, the choice starts again among the rest.",
        "Fix who is first, P(i first), then choose answer 2 among the remaining three, and add over i.",
        {
            "That is the probability that answer 2 is first.": lambda: float(np.exp(0.5) / np.exp([1.0, 0.5, 0.0, -1.0]).sum()),
            "That is one ranking only, or one first place only: add over everybody who can be first.": lambda: float(
                np.exp(1.5) / np.exp([1.0, 0.5, 0.0, -1.0]).sum() / np.exp([0.5, 0.0, -1.0]).sum()
            ),
        },
    ),
    "odds-after-dpo": Exercise(
        _odds_after_dpo,
        "The odds are those of the reference times the preference odds to the power 1 / beta.",
        "At the optimum beta times the margin is the log-odds of the preference; the margin is measured from the reference.",
        {
            "The reference gives odds of 1 to 4 before anything is learned.": lambda: 4.0 * _odds_after_dpo(),
            "The power is 1 / beta, not beta.": lambda: 0.25 * 3.0**0.5,
            "Those are the preference odds times the reference odds: beta is missing.": lambda: 0.75,
        },
    ),
    "frontier": Exercise(
        _budget_beta,
        "The price is the slope of the frontier there: one more nat would buy about that much reward.",
        "The KL of the optimal policy falls as beta rises: bisect, or scan beta on a fine grid.",
        {
            "That spends 0.2 nats in the other direction, KL(pi_ref || pi).": lambda: _budget_beta(turned=True),
            "That is 1 / beta.": lambda: 1.0 / _budget_beta(),
        },
    ),
    "smoothing": Exercise(
        _smoothed_margin,
        "Label smoothing makes the target finite: even where every label agrees, the margin stops at the log-odds of 0.9, over beta.",
        "Set the derivative of the smoothed loss to zero: s(beta margin) = 1 - epsilon.",
        {
            "That is beta times the margin.": lambda: 0.1 * _smoothed_margin(),
            "Those are the odds 9 : 1; the margin is in nats.": lambda: 9.0,
        },
    ),
    "trainer-ipo": Exercise(
        lambda: _ipo(average=True),
        "Per token a long answer counts no more than a short one, and the target 1 / (2 beta) stands where it stood for sums.",
        "Divide each log-ratio by its own number of tokens before the difference is taken.",
        {
            "That is the loss of the sums, as in the paper; this trainer averages over tokens.": lambda: _ipo(average=False),
            "Both log-ratios were divided by the same length.": lambda: (7.0 / 50 - 5.0) ** 2,
        },
    ),
    "completions": Exercise(
        _completions,
        "Every prefix without the end token is a node; an answer stops at its end token or at the length limit.",
        "Count by length: one, two or three tokens that end with the end token, and four tokens that may end with anything.",
        {
            "An answer that has ended is not continued: those are all strings of four tokens.": lambda: 8.0**4,
            "Answers that reach four tokens without the end token are answers too.": lambda: float(sum(7**k for k in range(4))),
        },
        within=0.0,
    ),
    "one-game": Exercise(
        _one_game,
        "The fitted strengths use every game of both teams, not only those that they played against each other.",
        "The difference of the two strengths is the log-odds of a game.",
        {
            "That is the share of their own games; the model pools all 273.": _seen_share,
            "That is how often Baltimore wins.": lambda: 1.0 - _one_game(),
        },
    ),
}
