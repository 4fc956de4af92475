"""A function from logits to log-probabilities, and how to call it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpo_theory.checks.label import label
from dpo_theory.sequences.batch import Batch

__all__ = ["FunctionFailed", "Subject", "subject"]

KNOWN = {
    "logits": ("logits", "lm_logits", "logit"),
    "input_ids": ("input_ids", "ids", "tokens", "token_ids", "index"),
    "attention_mask": ("attention_mask", "attn_mask", "attention"),
    "completion_mask": ("completion_mask", "loss_mask", "response_mask", "action_mask", "answer_mask"),
    "labels": ("labels", "targets", "target", "label"),
}
ORDERS = {
    2: ("logits", "labels"),
    3: ("logits", "input_ids", "completion_mask"),
    4: ("logits", "input_ids", "attention_mask", "completion_mask"),
}
FORMS = "fn(logits, input_ids, attention_mask, completion_mask) or fn(logits, labels)"


class FunctionFailed(Exception):
    """The function raised, or returned what cannot be read."""


@dataclass(eq=False)
class Subject:
    """A function under test.

    Args:
        function: the function.
        name: as it is shown.
        takes: (parameter, column) in the order of the parameters; by keyword where the parameter is keyword-only.
        backend: `torch` or `numpy`.
    """

    function: Callable[..., Any]
    name: str
    takes: tuple[tuple[str | None, str], ...]
    backend: str = "torch"
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = tuple(column for _, column in self.takes)

    def inputs(self, batch: Batch, dtype: str = "float64", mask: str = "int64", grad: bool = False) -> dict[str, Any]:
        """column -> tensor or array."""
        given = {name: getattr(batch, name) for name in self.columns}
        if self.backend == "numpy":
            cast = {name: column.astype(mask if name.endswith("mask") else column.dtype) for name, column in given.items()}
            return {**cast, "logits": given["logits"].astype(dtype)}
        import torch

        found = {
            name: torch.tensor(column, dtype=getattr(torch, mask) if name.endswith("mask") else None) for name, column in given.items()
        }
        found["logits"] = torch.tensor(given["logits"]).to(getattr(torch, dtype)).requires_grad_(grad)
        return found

    def call(self, inputs: dict[str, Any]) -> Any:
        """What the function returns; the first of a tuple.

        Raises:
            FunctionFailed: it raised.
        """
        plain = [inputs[column] for name, column in self.takes if name is None]
        named = {name: inputs[column] for name, column in self.takes if name is not None}
        try:
            found = self.function(*plain, **named)
        except Exception as error:
            first = str(error).splitlines()[0] if str(error) else ""
            raise FunctionFailed(f"raises {type(error).__name__}: {first}") from error
        return found[0] if isinstance(found, tuple | list) and len(found) else found

    def values(self, batch: Batch, dtype: str = "float64", mask: str = "int64") -> NDArray[np.float64]:
        """(B,) float64.

        Raises:
            FunctionFailed: it raised, or did not return one number per sequence.
        """
        return numbers(self.call(self.inputs(batch, dtype, mask)), len(batch.input_ids))

    def gradient(self, batch: Batch, weight: NDArray[np.float64], dtype: str = "float64") -> NDArray[np.float64] | None:
        """(B, T, V) derivative of sum_b weight[b] value[b] in the logits; None where autograd sees no dependence."""
        import torch

        inputs = self.inputs(batch, dtype, grad=True)
        found = self.call(inputs)
        if not isinstance(found, torch.Tensor) or not found.requires_grad:
            return None
        try:
            (slope,) = torch.autograd.grad((found * torch.tensor(weight).to(found.dtype)).sum(), inputs["logits"], allow_unused=True)
        except RuntimeError as error:
            raise FunctionFailed(f"has no gradient: {str(error).splitlines()[0]}") from error
        return None if slope is None else slope.double().numpy()


def numbers(found: Any, count: int) -> NDArray[np.float64]:
    """(B,) float64 of what a function returned."""
    found = found.detach().double().numpy() if hasattr(found, "detach") else found
    try:
        if found is None:
            raise TypeError
        array = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise FunctionFailed(f"returns a {type(found).__name__}, not one number per sequence") from None
    if array.shape != (count,):
        raise FunctionFailed(f"returns shape {array.shape} for {count} sequences, expected ({count},)")
    return array


def subject(function: Any, batch: Batch, style: str | None = None) -> Subject:
    """How to call a function, tried on a batch.

    Raises:
        ValueError: not callable, or a signature of another form.
    """
    if not callable(function) or isinstance(function, type):
        what = "a class: construct it" if isinstance(function, type) else f"{type(function).__name__}, not callable"
        raise ValueError(f"{function!r} is {what}. Pass {FORMS}.")
    name = label(function)
    draft = Subject(function, name, _takes(function, name, style))
    try:
        found = draft.call(draft.inputs(batch))
        if not isinstance(found, np.ndarray | np.generic):
            return draft
    except FunctionFailed:
        pass
    other = Subject(function, name, draft.takes, "numpy")
    try:
        other.values(batch)
    except FunctionFailed:
        return draft
    return other


def _takes(function: Any, name: str, style: str | None) -> tuple[tuple[str | None, str], ...]:
    if style not in (None, "masks", "labels"):
        raise ValueError(f"style is {style!r}, expected 'masks' or 'labels'.")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    column = {word: key for key, words in KNOWN.items() for word in words}
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    known = [p for p in parameters if p.name in column]
    if (
        style is None
        and known
        and {p.name for p in needed} <= {p.name for p in known}
        and len({column[p.name] for p in known}) == len(known)
    ):
        columns = {column[p.name] for p in known}
        if "logits" in columns and ("labels" in columns) != ("input_ids" in columns):
            return tuple((p.name if p.kind is p.KEYWORD_ONLY else None, column[p.name]) for p in known)
    order = ORDERS.get({"masks": 4, "labels": 2}.get(style or "", len(needed)))
    if order is None or (needed and len(needed) > len(order)):
        shown = ", ".join(p.name for p in needed)
        raise ValueError(f"{name}({shown}) is none of {FORMS}. Wrap it, or pass style='masks' or 'labels'.")
    kinds = [p.name if p.kind is p.KEYWORD_ONLY else None for p in needed] or [None] * len(order)
    return tuple(zip(kinds, order[: len(kinds)], strict=True))
