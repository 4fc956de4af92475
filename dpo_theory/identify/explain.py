"""A stretch or a shift of the margin in the words of the options that may have caused it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

__all__ = ["affine_margin"]

CLOSE = 1e-9


def affine_margin(a: Mapping[str, Any], b: Mapping[str, Any], shift: float, stretch: float, per_token: bool = False) -> list[str]:
    """Sentences for a(m) = b(stretch m + shift).

    Args:
        a, b: the options of both losses.
        shift, stretch: what was fitted, in nats.
        per_token: the margin is per token.

    >>> affine_margin({"beta": 0.1}, {"beta": 0.1}, 0.0, 100.0)
    ['beta against 1/beta: B with beta = 0.1 is A with beta = 10']
    """
    told = []
    if stretch != 1:
        told.append(next(_stretches(a, b, stretch), f"A multiplies the margin by {stretch:.12g} where B does not"))
    if shift != 0:
        unit = "nats per token" if per_token else "nats"
        said = f"A sees a margin that is {abs(shift):.12g} {unit} {'more' if shift > 0 else 'less'} than B"
        told.append(next(_shifts(a, b, shift / stretch), next(_shifts(a, b, shift), said)))
    return told


def _stretches(a: Mapping[str, Any], b: Mapping[str, Any], stretch: float) -> Iterator[str]:
    for name in ("beta", "tau", "gamma", "temperature"):
        mine, other = a.get(name), b.get(name)
        if _number(mine) and _number(other) and mine != other and _same(stretch, mine / other):
            yield f"{name} = {mine:.12g} against {other:.12g}"
        for value in (mine, other):
            if _number(value):
                for power, said in ((1 / value**2, f"{name} against 1/{name}"), (value**2, f"{name} against 1/{name}")):
                    if _same(stretch, power) and not _same(power, 1.0):
                        held = other if _number(other) else value
                        yield f"{said}: B with {name} = {held:.12g} is A with {name} = {held * stretch:.12g}"
                for power, said in ((value, name), (1 / value, f"1/{name}")):
                    if _same(stretch, power):
                        yield f"A multiplies the margin by {said} = {power:.12g} where B does not"


def _shifts(a: Mapping[str, Any], b: Mapping[str, Any], shift: float) -> Iterator[str]:
    targets = [dict(_targets(options)) for options in (a, b)]
    for mine, x in targets[0].items():
        for other, y in targets[1].items():
            if mine != other and _same(y - x, shift):
                yield f"A has the target margin {mine} = {x:.12g} nats where B has {other} = {y:.12g}"


def _targets(options: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Margins in nats that options may mean."""
    for name in ("gamma", "simpo_gamma", "gamma_beta_ratio", "offset", "delta"):
        value, beta = options.get(name), options.get("beta")
        if _number(value):
            yield f"{name} (inside beta)", float(value)
            if _number(beta):
                yield f"{name}/beta ({name} outside beta)", value / beta
    for name in ("tau", "beta"):
        value = options.get(name)
        if _number(value):
            yield from ((f"1/(2 {name})", 1 / (2 * value)), (f"1/{name}", 1 / value), (f"1/(4 {name})", 1 / (4 * value)))
    yield "0", 0.0


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _same(x: float, y: float) -> bool:
    return abs(x - y) <= CLOSE * max(1.0, abs(x), abs(y))
