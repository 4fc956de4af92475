"""Two arithmetics that enclose: python-flint's `arb` balls, and mpmath's intervals where flint is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

__all__ = ["Balls", "Intervals", "arithmetic"]


class Balls:
    """Midpoint and radius, by python-flint."""

    name = "arb"

    def __init__(self) -> None:
        import flint

        self.flint = flint

    @contextmanager
    def digits(self, digits: int) -> Iterator[None]:
        """Work with so many decimal digits; flint's precision is global to the process and is put back."""
        before = self.flint.ctx.dps
        self.flint.ctx.dps = digits
        try:
            yield
        finally:
            self.flint.ctx.dps = before

    def exact(self, value: float | int | Fraction) -> Any:
        """The ball of one number: a double is the dyadic rational that it is."""
        fraction = Fraction(value)
        return self.flint.arb(self.flint.fmpq(fraction.numerator, fraction.denominator))

    def around(self, radius: Any) -> Any:
        """[-radius, radius]."""
        return self.flint.arb(0, radius)

    def exp(self, x: Any) -> Any:
        return x.exp()

    def log(self, x: Any) -> Any:
        return x.log()

    def middle(self, x: Any) -> Any:
        """The midpoint, without its radius."""
        return x.mid()

    def magnitude(self, x: Any) -> Any:
        """An upper bound on the absolute value; NaN stays NaN."""
        return x.abs_upper() if x.is_finite() else self.flint.arb("nan")

    def bounds(self, x: Any) -> tuple[Fraction, Fraction]:
        """Rationals below and above."""
        mid, radius = (_fraction_of_fmpq(part.fmpq()) for part in (x.mid(), x.rad()))
        return mid - radius, mid + radius


class Intervals:
    """Lower and upper end, by mpmath."""

    name = "iv"

    def __init__(self) -> None:
        from mpmath import iv

        self.iv = iv

    @contextmanager
    def digits(self, digits: int) -> Iterator[None]:
        """Work with so many decimal digits; mpmath's precision is global to the process and is put back."""
        before = self.iv.prec
        self.iv.dps = digits
        try:
            yield
        finally:
            self.iv.prec = before

    def exact(self, value: float | int | Fraction) -> Any:
        """The narrowest interval of one number."""
        fraction = Fraction(value)
        return self.iv.mpf(fraction.numerator) / fraction.denominator

    def around(self, radius: Any) -> Any:
        """[-radius, radius]."""
        top = self.iv.mpf(radius).b
        return self.iv.mpf([-top, top])

    def exp(self, x: Any) -> Any:
        return self.iv.exp(x)

    def log(self, x: Any) -> Any:
        return self.iv.log(x)

    def middle(self, x: Any) -> Any:
        """The midpoint, as an interval without width."""
        return self.iv.mpf(self.iv.mpf(x).mid)

    def magnitude(self, x: Any) -> Any:
        """An upper bound on the absolute value."""
        return abs(self.iv.mpf(x)).b

    def bounds(self, x: Any) -> tuple[Fraction, Fraction]:
        """Rationals below and above."""
        low, high = self.iv.mpf(x)._mpi_  # `mp.mpf(end)` would round to mp's own precision
        return _fraction_of_raw(low), _fraction_of_raw(high)


def arithmetic(name: str | None = None) -> Balls | Intervals:
    """`arb` where python-flint is installed, else `iv`; or the one that is named.

    Raises:
        ValueError: the name is neither, or python-flint is asked for and not installed.

    >>> arithmetic("iv").name
    'iv'
    """
    if name not in (None, "arb", "iv"):
        raise ValueError(f"arithmetic is {name!r}, expected 'arb' or 'iv'.")
    if name == "iv":
        return Intervals()
    try:
        return Balls()
    except ImportError:
        if name == "arb":
            raise ValueError("arithmetic 'arb' needs python-flint: pip install 'dpo-theory[exact]', or pass 'iv'.") from None
        return Intervals()


def _fraction_of_fmpq(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _fraction_of_raw(value: Any) -> Fraction:
    sign, mantissa, exponent, _ = value
    magnitude = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -magnitude if sign else magnitude
