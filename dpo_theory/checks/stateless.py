"""The same pairs give the same loss.

Called twice, after other pairs, and under another global seed: the same bits.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.witness import witness


def run(subject, rng):
    pairs = small()
    first = subject.values(pairs)
    for disturb in (lambda: None, lambda: subject.values(wide(rng)), lambda: _seed(int(rng.integers(2**31)))):
        disturb()
        again = subject.values(pairs)
        differs = ~((first == again) | (np.isnan(first) & np.isnan(again)))
        if differs.any():
            k = int(np.flatnonzero(differs)[0])
            because = "the loss remembers earlier calls, or draws random numbers"
            return refuted(witness(subject, take(pairs, slice(k, k + 1)), first[k], again[k], because))
    if subject.printed:
        because = f"the loss prints {subject.printed.strip()[:60]!r} when it is called"
        return refuted(witness(subject, take(pairs, slice(0, 1)), "silence", "output on stdout", because))
    return holds(3 * len(first), 0.0, 0.0, method="called again, after other pairs, under another seed")


def _seed(number):
    """Another global seed, as another process would have."""
    import random

    import torch

    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002 - the global generator is what is disturbed
    random.seed(number)


CHECK = Check(
    code="C07",
    name="stateless",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="pass running statistics and randomness as arguments",
)
