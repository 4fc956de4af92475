r"""How much the paper's win rates say.

The tables are data, not theorems; what follows from their percentages and sample sizes are intervals (Wilson, 95%):

    Table 2, human: DPO 58% of 272 is [.52, .64], above 1/2; SFT 43% of 122 is [.35, .52], either side; PPO-1 17% of 199 is [.12, .23].
    GPT-4 with prompt S against prompt C (47/54, 27/32, 13/12): the differences are within noise, |z| < 1.96, if judged independently.
    Summarisation 61% against 57%, and Table 1's .36 against .26 and .31 against .23: the sizes are not printed there; the
    differences exceed noise from 1162, 165 and 237 judgements per method on.

Why: the interval holds the theta with |p - theta| <= 1.96 sqrt(theta (1 - theta) / n).
"""

import numpy as np
from scipy.optimize import brentq

from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks

Z = 1.959963984540054
TABLE_2 = {"DPO": (272, 0.47, 0.54, 0.58), "SFT": (122, 0.27, 0.32, 0.43), "PPO-1": (199, 0.13, 0.12, 0.17)}
PRINTED = {"DPO": (0.52, 0.64), "SFT": (0.35, 0.52), "PPO-1": (0.12, 0.23)}
NEEDED = {(0.61, 0.57): 1162, (0.36, 0.26): 165, (0.31, 0.23): 237}


def wilson(share, count):
    """(low, high): the 95% score interval of a share of `count` judgements."""
    centre = share + Z**2 / (2 * count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return (centre - half) / (1 + Z**2 / count), (centre + half) / (1 + Z**2 / count)


def two_shares(first, second, count):
    """z of the difference of two shares, each of `count` independent judgements, pooled."""
    pooled = (first + second) / 2
    return (first - second) / np.sqrt(2 * pooled * (1 - pooled) / count)


def certify():
    for method, (count, _, _, human) in TABLE_2.items():
        interval = wilson(human, count)
        ends = [brentq(_excess, *span, args=(human, count), xtol=1e-15) for span in ((1e-9, human), (human, 1 - 1e-9))]
        yield Measured(f"{method}: interval by solving for theta", interval, ends, tolerance=1e-12)
        yield Measured(f"{method}: to two places", np.round(interval, 2), PRINTED[method], tolerance=1e-12)
    yield Measured("DPO is preferred by people", 0.5, wilson(0.58, 272)[0], relation="<")
    yield Measured("PPO-1 is not", wilson(0.17, 199)[1], 0.5, relation="<")
    yield Measured("SFT: 1/2 is inside", [wilson(0.43, 122)[0], 0.5], [0.5, wilson(0.43, 122)[1]], relation="<")
    for method, (count, short, concise, _) in TABLE_2.items():
        yield Measured(f"{method}: |z| of S against C", abs(two_shares(short, concise, count)), Z, relation="<")
    for (first, second), count in NEEDED.items():
        yield Measured(f"{first} against {second}, one judgement fewer", two_shares(first, second, count - 1), Z, relation="<")
        yield Measured(f"{first} against {second}, {count} judgements", Z, two_shares(first, second, count), relation="<")


def _excess(theta, share, count):
    return (share - theta) ** 2 - Z**2 * theta * (1 - theta) / count


def same_comparisons():
    count, short, concise, _ = TABLE_2["DPO"]
    changed = round(concise * count) - round(short * count)
    paired = changed / np.sqrt(changed)
    return breaks(
        paired > Z,
        problem="both prompts judge the same 272 comparisons, and no verdict changes from win to loss",
        expected=f"within noise: z = {-two_shares(short, concise, count):.2f}",
        got=f"z = {paired:.2f} by the {changed} comparisons that changed",
        because="the table of changes is not printed: the shares alone do not bound the paired z",
    )


CLAIM = Claim(
    id="D36",
    aliases=("tables",),
    statement=__doc__,
    source=Source(PAPER, "section 6.2, Tables 1 and 2; Wilson 1927"),
    assumes=("independent judgements",),
    certify=certify,
    edges={"independent judgements": same_comparisons},
)
