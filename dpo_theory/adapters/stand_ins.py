"""Stand-ins for what surrounds a loss in a trainer: an accelerator, a model, and numbers that are only logged."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from bandits.data import PairLogProbs

__all__ = ["Accelerator", "Model", "Output", "Silent", "lengths", "masks", "tokens"]


class Silent:
    """A number that is only logged: every operation gives it back, and `item()` is 0."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: (self, self) if name == "chunk" else 0.0 if name == "item" else self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def _same(self, *_: Any) -> Any:
        return self

    def _false(self, *_: Any) -> bool:
        return False

    __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __and__ = __rand__ = _same
    __gt__ = __lt__ = __ge__ = __le__ = _false


class Accelerator:
    """One process on the CPU. What is gathered for the log is dropped, or given back where the loss needs it.

    Args:
        drops: whether gathered values are only logged.
    """

    device = torch.device("cpu")
    parallelism_config = None

    def __init__(self, drops: bool = True) -> None:
        self.drops = drops

    def gather(self, value: Any) -> Any:
        """Drop what is logged."""
        return Silent() if self.drops else value

    gather_for_metrics = gather

    def unwrap_model(self, model: Any) -> Any:
        """The model."""
        return model


class Output:
    """What a model returns, with the wanted log-probabilities as `log_probs` and as `logits` of a vocabulary of two.

    Args:
        log_probs: (B, T) of the tokens after the first.
        even: (B, T) the same sequence log-probabilities spread over the completion, for what looks at logits.
    """

    aux_loss = None

    def __init__(self, log_probs: torch.Tensor, even: torch.Tensor) -> None:
        self.log_probs, self._even = log_probs, even
        self.entropy = self.mean_logits = self.is_top1 = Silent()

    @cached_property
    def logits(self) -> torch.Tensor:
        """(B, T+1, 2): token 0 has the wanted log-probability, token 1 the rest."""
        chosen = torch.where(self._even < 0, self._even, -1.0)
        rest = torch.log(-torch.expm1(chosen))
        both = torch.stack([chosen, rest], dim=-1)
        return torch.cat([both, both[:, -1:]], dim=1)

    @cached_property
    def log_sum_sq_probs(self) -> torch.Tensor:
        """(B, T) log of the sum of squared probabilities, of the same vocabulary of two."""
        rest = torch.log(-torch.expm1(torch.where(self._even < 0, self._even, -1.0)))
        return torch.logaddexp(2 * self._even, 2 * rest)


class Model:
    """Returns what it was given, once for each set of inputs.

    Args:
        output: of every forward pass but those of `other`.
        other: marker -> output, where the first token id of the input is the marker.
    """

    training = False
    is_gradient_checkpointing = False

    def __init__(self, output: Output, other: dict[int, Output] | None = None) -> None:
        self.output, self.other = output, other or {}

    def __call__(self, input_ids: torch.Tensor, **_: Any) -> Output:
        if not self.other:
            return self.output
        return self.other.get(int(input_ids[0, 0]), self.output)

    def modules(self) -> tuple[()]:
        """None of its own."""
        return ()


def lengths(pairs: PairLogProbs, given: int) -> tuple[list[int], list[int]]:
    """Tokens of the chosen and of the rejected completions, (N,) each; `given` for every pair where the pairs have none.

    Raises:
        ValueError: a length is no positive integer.
    """
    n = len(pairs.policy_chosen)
    found = []
    for name in ("chosen_tokens", "rejected_tokens"):
        column = getattr(pairs, name)
        plain = column.detach() if hasattr(column, "detach") else column
        values = [float(given)] * n if plain is None else [float(v) for v in plain]
        for k, value in enumerate(values):
            if not value >= 1 or value != int(value):
                raise ValueError(f"{name}[{k}] is {value:g}, expected a positive number of tokens.")
        found.append([int(v) for v in values])
    return found[0], found[1]


def masks(sizes: list[int]) -> torch.Tensor:
    """(B, 1+T) ones on the completion: one prompt token, then so many tokens, then padding on the right."""
    longest = max(sizes)
    return torch.tensor([[0] + [1] * size + [0] * (longest - size) for size in sizes])


def tokens(logps: torch.Tensor, mask: torch.Tensor, *, even: bool) -> torch.Tensor:
    """(B, T) log-probabilities of tokens whose sum over the completion is `logps` (B,).

    Args:
        logps: (B,) of sequences.
        mask: (B, 1+T) of `masks`.
        even: spread over the completion; else all on its first token, which keeps the sum exact in every precision.
    """
    kept = mask[:, 1:].to(logps.dtype)
    if kept.shape[1] == 1:
        return logps.unsqueeze(1)
    if even:
        return logps.unsqueeze(1) / kept.sum(dim=1, keepdim=True) * kept
    return torch.cat([logps.unsqueeze(1), torch.zeros_like(kept[:, 1:])], dim=1)
