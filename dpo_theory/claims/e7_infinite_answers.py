r"""Eqs. 3 and 4 for infinitely many answers, without conditions.

    for countably many answers pi* = pi_ref e^{r/beta} / Z is the optimum, and its value is E[r] - beta KL = beta log Z.

(a) Z may be infinite: pi_ref(k) = 2^-(k+1), r(k) = k, beta = 1. (b) Z may be finite and the value undefined: with weights
w_k = 1/(k log^2 k), k >= 2, pi_ref ~ w_k e^{-k} and r(k) = k give pi* ~ w_k, and E[r] = KL = inf. Read is the convergence of log Z and
of E[r] from the first 1000 answers to the first 100,000. Corrected: finitely many answers (claim D04), or Z < inf and E[r] finite
under pi* (claims D04d, D04e).
"""

import numpy as np

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source

FEW, MANY = 1_000, 100_000


def certify():
    shorter, longer = (_diverging(size) for size in (FEW, MANY))
    yield Measured("(a) log Z over 1000 and over 100,000 answers", shorter, longer, tolerance=1e-3)


def search():
    (shorter, z_shorter), (longer, z_longer) = (_undefined(size) for size in (FEW, MANY))
    yield Measured("(b) log Z over 1000 and over 100,000 answers, e^{r/beta} pi_ref ~ w", z_shorter, z_longer, tolerance=0.1)
    yield Measured("(b) E[r] under pi* over 1000 and over 100,000 answers", shorter, longer, tolerance=1e-3)


def _diverging(size):
    k = np.arange(size, dtype=float)
    log_ref = -(k + 1) * np.log(2.0)
    log_ref = log_ref - np.logaddexp.reduce(log_ref)
    return float(optimal.log_partition(k, log_ref, 1.0))


def _undefined(size):
    """E[r] under pi*, and log Z relative to the reference's normaliser, when only the first `size` answers exist."""
    k = np.arange(2, size + 2, dtype=float)
    log_weight = -np.log(k) - 2 * np.log(np.log(k))
    log_ref = log_weight - k - np.logaddexp.reduce(log_weight - k)
    best = optimal.optimal_log_policy(k, log_ref, 1.0)
    return float(np.exp(best) @ k), float(optimal.log_partition(k, log_ref, 1.0))


CLAIM = Claim(
    id="E7",
    aliases=("infinite-answers",),
    statement=__doc__,
    source=Source(PAPER, "App. A.1 read for infinitely many answers"),
    certify=certify,
    search=search,
    expects="refuted",
)
