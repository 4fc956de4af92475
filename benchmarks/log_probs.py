"""Log-probabilities of tokens from logits of (8, 512, 32000), against TRL's `selective_log_softmax`; memory and error beside them."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contest import Contest, Peer, take_turns
from dpo_theory.lm.log_probs import token_log_probs

MEGABYTE = 2**20
BOUND = 1e-5  # nats per token, what is asked


def run(quick: bool) -> Contest:
    from trl.trainer.utils import selective_log_softmax

    batch, length, size = (2, 64, 32000) if quick else (8, 512, 32000)
    generator = torch.Generator().manual_seed(0)
    logits = torch.empty(batch, length, size).normal_(generator=generator).mul_(4)
    ids = torch.randint(size, (batch, length), generator=generator)
    half = logits.bfloat16()
    sides = {
        "ours": functools.partial(token_log_probs, logits, ids),
        "TRL": functools.partial(selective_log_softmax, logits, ids),
        "ours, bfloat16": functools.partial(token_log_probs, half, ids),
        "TRL, bfloat16": functools.partial(selective_log_softmax, half, ids),
    }
    seconds, found = take_turns(sides, dict.fromkeys(sides, 7))
    right, right_half = _reference(logits, ids), _reference(half, ids)
    errors = {name: float(np.abs(value.double().numpy() - (right_half if "," in name else right)).max()) for name, value in found.items()}
    return Contest(
        name="log_probs",
        title=f"log-probabilities of tokens, logits of ({batch}, {length}, {size:,})",
        seconds=seconds["ours"],
        repeats=7,
        error=errors["ours"],
        certified=BOUND,
        peers=(Peer("TRL selective_log_softmax", seconds["TRL"], 7, errors["TRL"]),),
        kind="faster",
        floor=2,
        goal=3,
        notes={
            "extra_megabytes": {name: _extra(side) for name, side in sides.items()},
            "logits_megabytes": logits.nbytes / MEGABYTE,
            "backward_extra_megabytes_beside_the_gradient": _beside(_extra(lambda: _backward(logits, ids)), logits),
            "bfloat16": {name: {"seconds": seconds[name], "error": errors[name]} for name in sides if "," in name},
        },
    )


def _reference(logits: torch.Tensor, ids: torch.Tensor) -> np.ndarray:
    """In float64, one sequence after the other, by NumPy."""
    found = np.empty(ids.shape)
    for b, sequence in enumerate(logits):
        for start in range(0, len(sequence), 64):
            block = sequence[start : start + 64].double().numpy()
            top = block.max(-1, keepdims=True)
            picked = np.take_along_axis(block, ids[b, start : start + 64, None].numpy(), -1)
            found[b, start : start + 64] = (picked - top - np.log(np.exp(block - top).sum(-1, keepdims=True)))[:, 0]
    return found


def _backward(logits: torch.Tensor, ids: torch.Tensor) -> None:
    leaf = logits.detach().requires_grad_()
    token_log_probs(leaf, ids).sum().backward()


def _beside(extra: float | None, gradient: torch.Tensor) -> float | None:
    return None if extra is None else extra - gradient.nbytes / MEGABYTE


def _extra(side: Callable[[], Any]) -> float | None:
    """Megabytes by which the resident memory rises while `side` runs; None where the system does not tell."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what earlier runs freed is given back first, or it would be used again unseen
        clear.write_text("5")
        before = _kilobytes(status, "VmRSS")
        side()
        return max(0.0, (_kilobytes(status, "VmHWM") - before) / 1024)
    except (OSError, AttributeError):
        return None


def _kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name + ":"))
