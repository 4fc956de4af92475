r"""Bradley-Terry is a logistic in the reward difference.

    p(1 > 2) = e^{r_1} / (e^{r_1} + e^{r_2}) = s(r_1 - r_2),

it lies strictly between 0 and 1, p(1 > 2) + p(2 > 1) = 1, and its log-odds are r_1 - r_2. Rewards are finite, and the
arithmetic is exact or in logarithms: a deterministic preference is not Bradley-Terry, although floats print one.

Why: divide numerator and denominator by e^{r_1}.
"""

import numpy as np
import sympy as sp

from dpo_theory import preferences
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import c
from dpo_theory.proof import Step

FIRST, SECOND = sp.symbols("r_1 r_2", real=True)


def derive():
    wins = sp.exp(preferences.bradley_terry(FIRST, SECOND))
    loses = sp.exp(preferences.bradley_terry(SECOND, FIRST))
    softmax = sp.exp(FIRST) / (sp.exp(FIRST) + sp.exp(SECOND))
    yield Step("p is the softmax of the two rewards", wins, softmax, "multiply out e^{r_1}", sizes="")
    yield Step("one of the two wins", wins + loses, 1, "the two denominators agree", sizes="")
    yield Step("p > 0", wins, relation=">", why="an exponential is positive", sizes="")
    yield Step("p < 1", loses, relation=">", why="1 - p = p(2 > 1) is positive", sizes="")
    odds = preferences.bradley_terry(FIRST, SECOND) - preferences.bradley_terry(SECOND, FIRST)
    yield Step("the log-odds", odds, FIRST - SECOND, "the denominators cancel", sizes="")
    shifted = sp.exp(preferences.bradley_terry(FIRST + c, SECOND + c))
    yield Step("only the difference counts", shifted, wins, "c cancels", sizes="")


def certify(bandit, rng):
    rewards = bandit.reward[np.isfinite(bandit.reward)]
    first = np.concatenate([rng.choice(rewards, 20), rng.uniform(-350, 350, 20)])
    second = np.concatenate([rng.choice(rewards, 20), rng.uniform(-350, 350, 20)])
    wins, loses = preferences.bradley_terry(first, second), preferences.bradley_terry(second, first)
    top, gap = np.maximum(first, second), np.abs(first - second)
    scale = 1 + np.abs(first) + np.abs(second)
    yield Measured("log p against r_1 - log(e^r_1 + e^r_2)", wins, first - top - np.log1p(np.exp(-gap)), scale)
    yield Measured("log-odds", wins - loses, first - second, scale)
    yield Measured("p + (1 - p)", np.exp(wins) + np.exp(loses), 1.0)
    yield Measured("log p and log(1 - p) stay finite", -np.minimum(wins, loses), np.inf, relation="<")


def certain_preference():
    finite = preferences.bradley_terry(np.array([1.0, 10.0, 100.0, 700.0]), np.zeros(4))
    try:
        preferences.bradley_terry(np.array([np.inf]), np.array([0.0]))
    except ValueError as error:
        return breaks(
            bool((finite < 0).all() and (np.diff(finite) > 0).all()),
            problem="p(1 > 2) = 1, or r_1 = inf",
            expected="some reward difference d with log s(d) = 0",
            got=f"log s(d) = {finite.tolist()} at d = 1, 10, 100, 700, always below 0; r_1 = inf is refused: {error}",
            because="a certain preference needs an infinite reward difference",
        )
    return None


def rounded_to_certain():
    up, down = 1 / (1 + np.exp(-37.0)), np.exp(-746.0)
    logs = preferences.bradley_terry(np.array([0.0, -746.0]), np.array([37.0, 0.0]))
    return breaks(
        up == 1.0 and down == 0.0 and bool((np.isfinite(logs) & (logs < 0)).all()),
        problem="r_1 - r_2 = 37 and r_1 - r_2 = -746, in float64",
        expected="0 < p < 1",
        got=f"p = {up} and p = {down}, where log(1 - p) = {logs[0]:.6g} and log p = {logs[1]:.6g}",
        because="float64 rounds 1 - 8.5e-17 to 1 and underflows below 5e-324; the logarithms are right",
        reproduce="import numpy as np\nprint(1 / (1 + np.exp(-37.0)), np.exp(-746.0))",
    )


CLAIM = Claim(
    id="D01",
    aliases=("eq1", "bradley-terry"),
    statement=__doc__,
    source=Source(PAPER, "eq. 1, eq. 16"),
    assumes=("rewards are finite", "exact arithmetic, or logarithms"),
    derive=derive,
    certify=certify,
    edges={"rewards are finite": certain_preference, "exact arithmetic, or logarithms": rounded_to_certain},
)
