"""The fingerprint of a loss: by its expression where it can be read, by measurement where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.fingerprint import link as links
from dpo_theory.fingerprint import measured, proper, reward
from dpo_theory.fingerprint.aims import enclosed, smallest
from dpo_theory.fingerprint.known import Known, known_of, margin_form
from dpo_theory.fingerprint.record import Aim, Fingerprint

__all__ = ["PROBABILITIES", "fingerprint", "of"]

PROBABILITIES = (sp.Rational(7, 10), sp.Rational(9, 10))


def fingerprint(loss: Callable[[PairLogProbs], Any]) -> Fingerprint:
    """What a pair loss aims at: its link, margins, weights, properness, implicit reward and divergence.

    Args:
        loss: PairLogProbs -> (N,), one loss per pair.

    Returns:
        A Fingerprint; of an opaque loss a measured one, which says so.

    Raises:
        ValueError: not callable, or not a loss of pairs.

    Source: Reid and Williamson 2010, "Composite binary losses", for links; Wang et al. 2023, arXiv:2309.16240, for divergences.

    >>> from dpo_theory.losses.ipo import IPO
    >>> found = fingerprint(IPO(tau=0.5))
    >>> found.link, found.inverse, found.aim(0.7)
    ('m/2 + 1/2', '2*p - 1', 0.4)
    """
    return of(known_of(loss), getattr(loss, "beta", None))


def of(known: Known, beta: Any = None) -> Fingerprint:
    """The fingerprint of what is known.

    Args:
        known: the loss.
        beta: its reward per nat; None where it has no such option.
    """
    if known.batch_coupled:
        return Fingerprint(known.name, "none", notes=("the pairs of a batch see each other: one pair has no link of its own",))
    if known.expression is None:
        return measured.of(known)
    form = margin_form(known)
    if form is not None:
        return _of_margin(known, *form, beta=float(beta) if isinstance(beta, int | float) else None)
    a, b, c, d, *lengths = known.symbols
    expression = known.expression
    notes: tuple[str, ...] = ()
    if lengths and expression.has(*lengths):
        expression = expression.subs(dict.fromkeys(lengths, sp.Integer(1)), simultaneous=True)
        notes = ("it sees lengths: what follows is for answers of one token",)
    found = reward.implied(expression, (a, b, c, d))
    return Fingerprint(
        known.name, "reward" if found.reward else "none", "", links.written(known.expression),
        statements=found.statements, reward=found.reward, derivative=found.derivative, divergence=found.divergence,
        notes=(*notes, *found.notes),
    )  # fmt: skip


def _of_margin(known: Known, loss: Any, m: Any, variable: str, *, beta: float | None) -> Fingerprint:
    s = links.slopes(loss, m)
    q = links.quietly(links.closed_link, s)
    found = {p: smallest(loss, s, p) for p in PROBABILITIES}
    middle = found[PROBABILITIES[0]][0]
    inverse = None
    if q is not None and mp.isfinite(middle):
        inverse = links.quietly(links.closed_inverse, q, m, float(middle))
    pull, weight = links.quietly(links.pull, s), links.quietly(links.weight, s, q, inverse)
    aims = tuple(_aim(s, p, margin, kink, inverse) for p, (margin, kink) in found.items())
    said = reward.of_margin("log-ratio" in variable, bool(sp.diff(s.up, m) == 0) and not s.kinked)
    notes = () if q is not None else ("no closed form of the link was found",)
    if s.kinked:
        notes = ("the loss has kinks: its link is piecewise",)
    return Fingerprint(
        known.name, "margin", variable, links.shown(loss, m) if not s.kinked else str(loss),
        links.shown(q, m), "" if inverse is None else links.written(inverse),
        links.shown(pull, m) if not s.kinked else str(pull), "" if weight is None else links.written(weight), aims,
        (*proper.statements(loss, s, q, {p: margin for p, (margin, _) in found.items()}, beta), *said.statements),
        said.reward, said.derivative, said.divergence, notes,
    )  # fmt: skip


def _aim(s: links.Slopes, p: Any, margin: Any, kink: bool, inverse: Any) -> Aim:
    probability = float(p)
    if not mp.isfinite(margin):
        return Aim(probability, float(margin), None, "the expected loss falls without end")
    if kink:
        return Aim(probability, float(margin), None, "a kink")
    weight = _weight(s, margin)
    if inverse is not None and abs(inverse.subs(links.P, p).evalf(30) - sp.Float(mp.nstr(margin, 30), 30)) < 1e-20 * max(1, abs(margin)):
        return Aim(probability, float(margin), 0.0, "closed form", weight)
    radius = None if s.kinked else enclosed(s, p, margin)
    return Aim(probability, float(margin), radius, "measured" if radius is None else "certified root", weight)


def _weight(s: links.Slopes, margin: Any) -> float | None:
    """w(p) at the margin, by a difference quotient of q at 40 digits."""
    ratio = sp.lambdify(s.m, [s.up, s.down], ["mpmath"])
    with mp.workdps(40):
        step = mp.mpf(10) ** -14 * max(1, abs(margin))
        up, down = ratio(margin)
        (u1, d1), (u0, d0) = ratio(margin + step), ratio(margin - step)
        slope = (d1 / (u1 + d1) - d0 / (u0 + d0)) / (2 * step)
        return float(-(up + down) / slope) if slope else None
