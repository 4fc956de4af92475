"""Sixty digits with derivatives: the numbers that the formulas of a loss are evaluated in, apart from all floating-point code."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

__all__ = ["DIGITS", "Dual", "Exact", "column"]

DIGITS = 60


class Dual:
    """A real number and its derivatives in a few variables."""

    __slots__ = ("slopes", "value")

    def __init__(self, value: Any, slopes: tuple[Any, ...] = ()):
        self.value, self.slopes = mp.mpf(value), slopes

    def chain(self, value: Any, slope: Any) -> Dual:
        return Dual(value, tuple(slope * s for s in self.slopes))

    def __add__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.value + other.value, _sum(self.slopes, other.slopes))

    def __neg__(self) -> Dual:
        return self.chain(-self.value, -1)

    def __sub__(self, other: Any) -> Dual:
        return self + -_dual(other)

    def __rsub__(self, other: Any) -> Dual:
        return _dual(other) + -self

    def __mul__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.value * other.value, _sum(self.chain(0, other.value).slopes, other.chain(0, self.value).slopes))

    def __truediv__(self, other: Any) -> Dual:
        other = _dual(other)
        return self * other.chain(1 / other.value, -1 / other.value**2)

    def __rtruediv__(self, other: Any) -> Dual:
        return _dual(other) / self

    def __pow__(self, power: Any) -> Dual:
        if isinstance(power, int):
            return self.chain(self.value**power, power * self.value ** (power - 1))
        return (self.log() * power).exp()

    def __rpow__(self, base: Any) -> Dual:
        return (_dual(base).log() * self).exp()

    def exp(self) -> Dual:
        return self.chain(mp.exp(self.value), mp.exp(self.value))

    def log(self) -> Dual:
        return self.chain(mp.log(self.value), 1 / self.value)

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < _dual(other).value)

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= _dual(other).value)

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > _dual(other).value)

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= _dual(other).value)

    __radd__, __rmul__ = __add__, __mul__


class Column(np.ndarray):
    """An object array of Duals."""


class Exact:
    """What the formulas ask of a backend, read literally."""

    symbolic = True  # there are no floats to validate

    @staticmethod
    def exp(x: Any) -> Any:
        return _each(Dual.exp, x)

    @staticmethod
    def expm1(x: Any) -> Any:
        return _each(lambda v: v.chain(mp.expm1(v.value), mp.exp(v.value)), x)

    @staticmethod
    def tangent_exp(x: Any, ceiling: Any) -> Any:
        return _each(lambda v: _beyond(v, ceiling) or v.exp(), x)

    @staticmethod
    def tangent_expm1(x: Any, ceiling: Any) -> Any:
        return _each(lambda v: _beyond(v, ceiling, 1) or v.chain(mp.expm1(v.value), mp.exp(v.value)), x)

    @staticmethod
    def log(x: Any) -> Any:
        return _each(Dual.log, x)

    @staticmethod
    def log1mexp(x: Any) -> Any:
        def one(v: Dual) -> Dual:
            value = mp.log(-mp.expm1(v.value)) if v.value > -1 else mp.log1p(-mp.exp(v.value))
            return v.chain(value, -1 / mp.expm1(-v.value))

        return _each(one, x)

    @staticmethod
    def softplus(x: Any) -> Any:
        return _each(lambda v: v.chain(mp.log1p(mp.exp(v.value)), 1 / (1 + mp.exp(-v.value))), x)

    @staticmethod
    def softplus_of(x: Any, exponential: Any) -> Any:
        return Exact.softplus(x)

    @staticmethod
    def sigmoid(x: Any) -> Any:
        def one(v: Dual) -> Dual:
            yes, no = 1 / (1 + mp.exp(-v.value)), 1 / (1 + mp.exp(v.value))
            return v.chain(yes, yes * no)

        return _each(one, x)

    @staticmethod
    def relu(x: Any) -> Any:
        return _each(lambda v: v if v > 0 else v * 0, x)

    @staticmethod
    def clip(x: Any, bound: Any) -> Any:
        limit = _dual(np.reshape(bound, -1)[0])
        return _each(lambda v: limit if v > limit else -limit if v < -limit else v, x)

    @staticmethod
    def step(x: Any) -> Any:
        return _each(lambda v: Dual(int(v >= 0)), x)

    @staticmethod
    def detached(x: Any) -> Any:
        return _each(lambda v: Dual(v.value), x)

    @staticmethod
    def ascending(x: Any) -> Any:
        return np.sort(x, axis=-1)

    @staticmethod
    def total(x: Any) -> Any:
        return np.sum(x, axis=-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool = False) -> Any:
        return Exact.log(np.sum(Exact.exp(x), axis=-1, keepdims=keepdims).view(Column))

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        return Exact.log(np.add.accumulate(Exact.exp(x)[..., ::-1], axis=-1)[..., ::-1])

    @staticmethod
    def surprises(x: Any) -> Any:
        """log of what is left over what is taken, without the difference of 1 and a probability."""
        made = np.empty(np.shape(x), dtype=object)
        for place in np.ndindex(np.shape(x)):
            others = [x[(*place[:-1], j)] - x[place] for j in range(place[-1] + 1, np.shape(x)[-1])]
            mass = sum((o.exp() for o in others), Dual(0))
            made[place] = mass.chain(mp.log1p(mass.value), 1 / (1 + mass.value))
        return made.view(Column)

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        return np.sum(Exact.exp(log_probs) * values, axis=-1)

    @staticmethod
    def stacked(*columns: Any) -> Any:
        return np.stack([np.asarray(c) for c in columns], axis=-1).view(Column)

    @staticmethod
    def joined(*columns: Any) -> Any:
        return np.concatenate([np.asarray(c) for c in columns]).view(Column)


Column.__dpo_namespace__ = Exact


def column(values: Any, slopes: Any = None) -> Any:
    """Numbers as an array of Duals, exactly; slopes of shape (K, ...) are their derivatives."""
    values = np.asarray(values)
    made = np.empty(values.shape, dtype=object)
    for place in np.ndindex(values.shape):
        made[place] = Dual(values[place], () if slopes is None else tuple(mp.mpf(float(s[place])) for s in slopes))
    return made.view(Column)


def _each(function: Any, x: Any) -> Any:
    if isinstance(x, Dual):
        return function(x)
    made = np.empty(np.shape(x), dtype=object)
    for place in np.ndindex(np.shape(x)):
        made[place] = function(x[place])
    return made.view(Column)


def _beyond(v: Dual, ceiling: Any, less: int = 0) -> Dual | None:
    """The tangent of e^v - less at the ceiling, beyond it."""
    ceiling = _dual(ceiling).value
    steep = mp.exp(ceiling)
    return v.chain(steep * (1 + v.value - ceiling) - less, steep) if v.value > ceiling else None


def _dual(value: Any) -> Dual:
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0]
    return value if isinstance(value, Dual) else Dual(mp.mpf(value) if not isinstance(value, np.generic) else mp.mpf(float(value)))


def _sum(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    if not left or not right:
        return left or right
    return tuple(a + b for a, b in zip(left, right, strict=True))
