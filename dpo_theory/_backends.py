"""What NumPy and torch make of the primitives of `_xp`. Reductions run over the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["NumPy", "Torch"]

_NOT_FAR = 10.0  # up to here e^x says more than x
_LOG_HALF = -0.6931471805599453  # where log(1 - e^x) changes its form


class NumPy:
    """float64 (or whatever dtype comes in) on arrays and Python numbers."""

    symbolic = False

    @staticmethod
    def exp(x: Any) -> Any:
        return np.exp(x)

    @staticmethod
    def expm1(x: Any) -> Any:
        return np.expm1(x)

    @staticmethod
    def log1mexp(x: Any) -> Any:
        near = x > _LOG_HALF
        return np.where(near, np.log(-np.expm1(np.where(near, x, -1.0))), np.log1p(-np.exp(np.where(near, -1.0, x))))

    @staticmethod
    def tangent_exp(x: Any, ceiling: float) -> Any:
        return np.exp(np.minimum(x, ceiling)) + math.exp(ceiling) * np.maximum(0.0, x - ceiling)

    @staticmethod
    def tangent_expm1(x: Any, ceiling: float) -> Any:
        return np.expm1(np.minimum(x, ceiling)) + math.exp(ceiling) * np.maximum(0.0, x - ceiling)

    @staticmethod
    def log(x: Any) -> Any:
        return np.log(x)

    @staticmethod
    def clip(x: Any, bound: float) -> Any:
        return np.clip(x, -bound, bound)

    @staticmethod
    def step(x: Any) -> Any:
        return np.asarray(x >= 0, dtype=getattr(x, "dtype", np.float64))

    @staticmethod
    def surprises(x: Any) -> Any:
        above = np.logaddexp(0.0, NumPy.tail_logsumexp(x)[..., 1:] - x[..., :-1])
        return np.concatenate([above, np.zeros_like(x[..., -1:])], axis=-1)

    @staticmethod
    def detached(x: Any) -> Any:
        return x

    @staticmethod
    def stacked(*columns: Any) -> Any:
        return np.stack(columns, axis=-1)

    @staticmethod
    def joined(*columns: Any) -> Any:
        return np.concatenate([np.atleast_1d(column) for column in columns])

    @staticmethod
    def softplus(x: Any) -> Any:
        return np.logaddexp(0.0, x)

    @staticmethod
    def softplus_of(x: Any, exponential: Any) -> Any:
        below = x <= _NOT_FAR
        return np.where(below, np.log1p(np.where(below, exponential, 0.0)), np.logaddexp(0.0, x))

    @staticmethod
    def sigmoid(x: Any) -> Any:
        from scipy.special import expit

        return expit(x)

    @staticmethod
    def relu(x: Any) -> Any:
        return np.maximum(x, 0.0)

    @staticmethod
    def ascending(x: Any) -> Any:
        return np.sort(x, axis=-1)

    @staticmethod
    def total(x: Any) -> Any:
        return np.sum(x, axis=-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool) -> Any:
        from scipy.special import logsumexp as scipy_logsumexp

        return scipy_logsumexp(x, axis=-1, keepdims=keepdims)

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        return np.logaddexp.accumulate(np.asarray(x)[..., ::-1], axis=-1)[..., ::-1]

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        taken = ~np.isneginf(log_probs)
        infinite = taken & np.isinf(values)  # e^{log_probs} may have underflown to 0, which it is not
        terms = np.exp(log_probs) * np.where(taken & ~infinite, values, 0.0)
        return np.sum(np.where(infinite, values, terms), axis=-1)


class Torch:
    """Tensors on any device; every primitive has first and second derivatives that are finite and right to rounding of 1."""

    symbolic = False

    @staticmethod
    def exp(x: Any) -> Any:
        import torch

        return torch.exp(x)

    @staticmethod
    def expm1(x: Any) -> Any:
        import torch

        low = x < -1  # there torch's own derivative, expm1(x) + 1, rounds e^x away
        return torch.where(low, torch.exp(torch.where(low, x, -1.0)) - 1, torch.expm1(torch.where(low, 0.0, x)))

    @staticmethod
    def log1mexp(x: Any) -> Any:
        import torch

        near = x > _LOG_HALF  # each form sees only arguments where it and its derivatives are finite
        return torch.where(near, torch.log(-torch.expm1(torch.where(near, x, -1.0))), torch.log1p(-torch.exp(torch.where(near, -1.0, x))))

    @staticmethod
    def tangent_exp(x: Any, ceiling: float) -> Any:
        import torch

        return torch.exp(torch.clamp(x, max=ceiling)) + math.exp(ceiling) * torch.relu(x - ceiling)

    @staticmethod
    def tangent_expm1(x: Any, ceiling: float) -> Any:
        import torch

        return Torch.expm1(torch.clamp(x, max=ceiling)) + math.exp(ceiling) * torch.relu(x - ceiling)

    @staticmethod
    def log(x: Any) -> Any:
        import torch

        return torch.log(x)

    @staticmethod
    def clip(x: Any, bound: float) -> Any:
        import torch

        return torch.clamp(x, -bound, bound)

    @staticmethod
    def step(x: Any) -> Any:
        return (x >= 0).to(x.dtype)

    @staticmethod
    def surprises(x: Any) -> Any:
        import torch

        tails = [x[..., -1:]]
        for k in range(x.shape[-1] - 2, 0, -1):  # logcumsumexp and logaddexp have derivatives that lose small terms, or are NaN
            here, rest = x[..., k : k + 1], tails[0]
            up, down = here + Torch.softplus(rest - here), rest + Torch.softplus(here - rest)
            tails.insert(0, torch.where(here > rest, up, down))
        above = Torch.softplus(torch.cat(tails, dim=-1)[..., : x.shape[-1] - 1] - x[..., :-1])
        return torch.nn.functional.pad(above, (0, 1))

    @staticmethod
    def detached(x: Any) -> Any:
        return x.detach()

    @staticmethod
    def stacked(*columns: Any) -> Any:
        import torch

        return torch.stack(columns, dim=-1)

    @staticmethod
    def joined(*columns: Any) -> Any:
        import torch

        return torch.cat([torch.atleast_1d(column) for column in columns])

    @staticmethod
    def softplus(x: Any) -> Any:
        import torch

        return -torch.nn.functional.logsigmoid(-x)  # torch's own softplus turns linear at 20

    @staticmethod
    def softplus_of(x: Any, exponential: Any) -> Any:
        import torch

        below = x <= _NOT_FAR
        return torch.where(below, torch.log1p(torch.where(below, exponential, 0.0)), Torch.softplus(torch.where(below, 0.0, x)))

    @staticmethod
    def sigmoid(x: Any) -> Any:
        import torch

        # torch's own derivative s(x) (1 - s(x)) is 0 from x = 37 on; that of 1 - s(-x) is not
        return torch.where(x > 0, 1 - torch.sigmoid(-x), torch.sigmoid(x))

    @staticmethod
    def relu(x: Any) -> Any:
        import torch

        return torch.relu(x)

    @staticmethod
    def ascending(x: Any) -> Any:
        return x.sort(dim=-1).values

    @staticmethod
    def total(x: Any) -> Any:
        return x.sum(-1)

    @staticmethod
    def logsumexp(x: Any, keepdims: bool) -> Any:
        import torch

        return torch.logsumexp(x, dim=-1, keepdim=keepdims)

    @staticmethod
    def tail_logsumexp(x: Any) -> Any:
        import torch

        return torch.logcumsumexp(x.flip(-1), dim=-1).flip(-1)

    @staticmethod
    def expect(log_probs: Any, values: Any) -> Any:
        import torch

        taken = ~torch.isneginf(log_probs)
        infinite = taken & torch.isinf(values)
        weight = torch.where(taken, torch.exp(torch.where(taken, log_probs, 0.0)), 0.0)
        terms = weight * torch.where(taken & ~infinite, values, 0.0)
        return torch.where(infinite, values, terms).sum(-1)
