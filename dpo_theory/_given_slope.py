"""A torch value whose derivative is given beside it, for formulas whose own derivative cancels. Loaded when it is first needed."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["GivenSlope"]


class GivenSlope(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    """(value, slope, x) -> value, with derivative `slope` in x; the slope's own graph gives the higher derivatives."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Any, slope: Any, x: Any) -> Any:
        """The value as it is."""
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the slope, graph and all."""
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The chain rule in x; the value itself passes nothing on."""
        return None, None, grads[0] * ctx.saved_tensors[0]
