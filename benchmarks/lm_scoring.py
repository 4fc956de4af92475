"""All completions of a prompt by prefix tree, against the best batched scoring of one sequence a row; the same log-probabilities."""

from __future__ import annotations

import functools

import torch

from benchmarks.contest import Contest, Peer, take_turns
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.model import TinyLM, TinyLMConfig
from dpo_theory.lm.statements.prefix_tree import one_by_one

BATCHES = (256, 1024, 4096, 16384)


def run(quick: bool) -> Contest:
    vocab, length, prompt = (8 if quick else 16), 4, torch.arange(8)
    config = TinyLMConfig(vocab=vocab, positions=16, width=64, heads=4, layers=2)
    model = TinyLM(config, dtype=torch.float32)
    with torch.no_grad():
        tokens, _, _ = every_completion([model], prompt, length)
        sides = {"tree": functools.partial(every_completion, [model], prompt, length)}
        sides |= {f"rows of {batch:,}": functools.partial(_rows, model, prompt, tokens, batch) for batch in BATCHES if batch <= len(tokens)}
        seconds, found = take_turns(sides, {name: 7 if name == "tree" else 3 for name in sides})
        exact = TinyLM(config, dtype=torch.float64)
        by_tree, by_row = every_completion([exact], prompt, length)[2][0], _rows(exact, prompt, tokens, 4096)
    got = found["tree"][2][0].double()
    error = float((got - by_row).abs().max())
    peers = tuple(
        Peer(f"batched scoring, {name}", seconds[name], 3, float((value.double() - by_row).abs().max()))
        for name, value in found.items()
        if name != "tree"
    )
    return Contest(
        name="lm_scoring",
        title=f"{vocab**length:,} completions of a language model (V = {vocab}, T = {length}, 2 layers of 64)",
        seconds=seconds["tree"],
        repeats=7,
        error=error,
        certified=1e-5,
        peers=peers,
        kind="faster",
        floor=60,
        goal=60,
        notes={
            "completions_per_second": vocab**length / seconds["tree"],
            "float64_largest_difference": float((by_tree - by_row).abs().max()),
            "threads": torch.get_num_threads(),
        },
    )


def _rows(model: TinyLM, prompt: torch.Tensor, tokens: torch.Tensor, batch: int) -> torch.Tensor:
    return torch.cat([one_by_one(model, prompt, block) for block in tokens.split(batch)])
