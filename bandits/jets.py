"""Second-order jets: a value with its gradient and Hessian, carried through NumPy ufuncs by the chain rule."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Jet"]


def _expit(x):
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, shrunk) / (1.0 + shrunk)


# ufunc name: x -> (f, f', f'')
_UNARY = {
    "positive": lambda x: (x, np.ones_like(x), np.zeros_like(x)),
    "negative": lambda x: (-x, -np.ones_like(x), np.zeros_like(x)),
    "exp": lambda x: (np.exp(x), np.exp(x), np.exp(x)),
    "expm1": lambda x: (np.expm1(x), np.exp(x), np.exp(x)),
    "log": lambda x: (np.log(x), 1 / x, -1 / x**2),
    "log1p": lambda x: (np.log1p(x), 1 / (1 + x), -1 / (1 + x) ** 2),
    "sqrt": lambda x: (np.sqrt(x), 0.5 / np.sqrt(x), -0.25 / x**1.5),
    "square": lambda x: (x * x, 2 * x, np.full_like(x, 2.0)),
    "reciprocal": lambda x: (1 / x, -1 / x**2, 2 / x**3),
    "tanh": lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2, -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)),
    "absolute": lambda x: (np.abs(x), np.sign(x), np.zeros_like(x)),
    "expit": lambda x: (_expit(x), _expit(x) * _expit(-x), _expit(x) * _expit(-x) * (_expit(-x) - _expit(x))),
    "log_expit": lambda x: (-np.logaddexp(0.0, -x), _expit(-x), -_expit(x) * _expit(-x)),
}
_COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isfinite", "isnan", "sign"})


class Jet(np.lib.mixins.NDArrayOperatorsMixin):
    """Values (N, ...) with gradient (N, ..., K) and hessian (N, ..., K, K) in K variables of the same row.

    >>> x = Jet.variables(np.array([[1.0, 2.0]]))
    >>> (x[:, 0] * np.exp(x[:, 1])).hessian.round(3).tolist()
    [[[0.0, 7.389], [7.389, 7.389]]]
    """

    __array_priority__ = 100

    def __init__(self, value, gradient, hessian):
        self.value, self.gradient, self.hessian = value, gradient, hessian

    @classmethod
    def variables(cls, columns) -> Jet:
        """The (N, K) array of independent variables."""
        n, k = columns.shape
        gradient = np.broadcast_to(np.eye(k), (n, k, k))
        return cls(np.array(columns, dtype=np.float64), gradient, np.zeros((n, k, k, k)))

    @classmethod
    def line(cls, values) -> Jet:
        """The (N,) array of one variable per row; the derivatives are stored once as long as all rows share them."""
        return cls(np.array(values, dtype=np.float64), np.ones((1, 1)), np.zeros((1, 1, 1)))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return int(self.value.ndim)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Jet:
        if isinstance(index, tuple) and Ellipsis in index:
            at = index.index(Ellipsis)
            index = index[:at] + (slice(None),) * (self.value.ndim - len(index) + 1) + index[at + 1 :]
        return Jet(self.value[index], self.gradient[index], self.hessian[index])

    def sum(self, axis: int | None = None) -> Jet:
        """Sum over one of the value's axes."""
        if axis is None or axis % self.value.ndim == 0:
            raise TypeError("a sum over the comparisons couples the batch")
        axis = axis % self.value.ndim
        return Jet(self.value.sum(axis), self.gradient.sum(axis), self.hessian.sum(axis))

    def _chain(self, value, first, second) -> Jet:
        if self.gradient.shape == (1, 1) and self.value.ndim == 1 and not self.hessian.any():
            slope = float(self.gradient[0, 0])
            first, second = (part if factor == 1 else part * factor for part, factor in ((first, slope), (second, slope**2)))
            return Jet(value, first[:, None], second[:, None, None])
        outer = self.gradient[..., :, None] * self.gradient[..., None, :]
        hessian = second[..., None, None] * outer
        if self.hessian.any():
            hessian = hessian + first[..., None, None] * self.hessian
        return Jet(value, first[..., None] * self.gradient, hessian)

    def _times(self, other: Jet) -> Jet:
        cross = self.gradient[..., :, None] * other.gradient[..., None, :]
        return Jet(
            self.value * other.value,
            self.value[..., None] * other.gradient + other.value[..., None] * self.gradient,
            self.value[..., None, None] * other.hessian + other.value[..., None, None] * self.hessian + cross + np.swapaxes(cross, -1, -2),
        )

    def _lift(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return other
        k = self.gradient.shape[-1]
        value = np.asarray(other, dtype=np.float64)
        return Jet(value, np.zeros((*value.shape, k)), np.zeros((*value.shape, k, k)))

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        name = ufunc.__name__
        if method != "__call__" or kwargs:
            raise TypeError(f"numpy.{name}.{method} is not known to second-order jets")
        if name in _COMPARISONS:
            return ufunc(*(part.value if isinstance(part, Jet) else part for part in inputs))
        if name in _UNARY:
            (jet,) = inputs
            return jet._chain(*_UNARY[name](jet.value))
        if len(inputs) != 2:
            raise TypeError(f"numpy.{name} is not known to second-order jets")
        left, right = inputs
        if not (isinstance(left, Jet) and isinstance(right, Jet)):
            found = _with_constant(name, left, right)
            if found is not None:
                return found
        anchor = next(part for part in inputs if isinstance(part, Jet))
        return _binary(name, anchor._lift(left), anchor._lift(right))

    def __array_function__(self, function, types, args, kwargs):
        name = function.__name__
        if name == "where" and len(args) == 3 and not kwargs:
            condition, left, right = args
            return self._choose(np.asarray(condition), self._lift(left), self._lift(right))
        if name == "sum":
            return args[0].sum(*args[1:], **kwargs)
        if name == "clip" and len(args) == 3:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        if name in ("zeros_like", "ones_like"):
            return function(args[0].value)
        raise TypeError(f"numpy.{name} is not known to second-order jets")

    @staticmethod
    def _choose(condition, left: Jet, right: Jet) -> Jet:
        return Jet(
            np.where(condition, left.value, right.value),
            np.where(condition[..., None], left.gradient, right.gradient),
            np.where(condition[..., None, None], left.hessian, right.hessian),
        )


def _with_constant(name: str, left: Any, right: Any) -> Jet | None:
    """The operations that move or scale a jet by numbers or arrays that do not depend on the policy; None for the others."""
    jet, other = (left, right) if isinstance(left, Jet) else (right, left)
    other = np.asarray(other, dtype=np.float64)
    if other.ndim > jet.ndim or (other.ndim and other.shape != jet.shape[-other.ndim :]):
        return None
    if name == "add" or (name == "subtract" and jet is left):
        return Jet(jet.value + other if name == "add" else jet.value - other, jet.gradient, jet.hessian)
    if name == "subtract":
        return Jet(other - jet.value, -jet.gradient, -jet.hessian)
    if name == "multiply" or (name in ("divide", "true_divide") and jet is left):
        factor = other if name == "multiply" else 1 / other
        value = jet.value * other if name == "multiply" else jet.value / other
        return Jet(value, factor[..., None] * jet.gradient, factor[..., None, None] * jet.hessian)
    if name == "logaddexp":
        return _soft_maximum(jet, other)
    return None


def _soft_maximum(jet: Jet, floor: Any) -> Jet:
    """log(e^jet + e^floor) for a floor that does not depend on the policy."""
    gap = jet.value - floor if np.any(floor) else jet.value
    shrunk = np.abs(gap)
    np.exp(np.negative(shrunk, out=shrunk), out=shrunk)
    value = np.maximum(jet.value, floor)
    value += np.log1p(shrunk)
    whole = 1 + shrunk
    np.reciprocal(whole, out=whole)
    shrunk *= whole
    first = np.where(gap >= 0, whole, shrunk)
    return jet._chain(value, first, np.multiply(shrunk, whole, out=shrunk))


def _binary(name: str, left: Jet, right: Jet) -> Jet:
    if name == "add":
        return Jet(left.value + right.value, left.gradient + right.gradient, left.hessian + right.hessian)
    if name == "subtract":
        return Jet(left.value - right.value, left.gradient - right.gradient, left.hessian - right.hessian)
    if name == "multiply":
        return left._times(right)
    if name in ("divide", "true_divide"):
        return left._times(right._chain(*_UNARY["reciprocal"](right.value)))
    if name == "power":
        if np.any(right.gradient):
            raise TypeError("a power whose exponent depends on the policy is not known to second-order jets")
        p, x = right.value, left.value
        first = np.where(p == 0, 0.0, p * x ** np.where(p == 0, 1.0, p - 1))
        flat = (p == 0) | (p == 1)
        second = np.where(flat, 0.0, p * (p - 1) * x ** np.where(flat, 1.0, p - 2))
        return left._chain(x**p, first, second)
    if name in ("maximum", "minimum", "fmax", "fmin"):
        pick = left.value >= right.value if "max" in name else left.value <= right.value
        return Jet._choose(np.asarray(pick), left, right)
    if name == "logaddexp":
        gap = left - right
        first, second = _expit(gap.value), _expit(-gap.value)
        smooth = gap._chain(np.zeros_like(gap.value), np.zeros_like(gap.value), first * second)
        return Jet(
            np.logaddexp(left.value, right.value),
            first[..., None] * left.gradient + second[..., None] * right.gradient,
            first[..., None, None] * left.hessian + second[..., None, None] * right.hessian + smooth.hessian,
        )
    raise TypeError(f"numpy.{name} is not known to second-order jets")
