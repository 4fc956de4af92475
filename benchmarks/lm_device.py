"""Exact enumeration on a device: completions a second, share of its peak, peak memory: `python -m benchmarks.lm_device [-o FILE]`.

On a GPU the sizes are chosen by its memory; on a CPU small ones show that the script runs. The peak is measured in the same run, by a large
matrix product in the same dtype. The JSON carries the device's name.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from dpo_theory.lm.model import TinyLM, TinyLMConfig
from dpo_theory.lm.ranks import Ranks, join_ranks
from dpo_theory.lm.sums import log_sum

CPU_SIZES = ((10, 6, 64, 2),)
QUICK_SIZES = ((6, 3, 32, 2),)
GPU_SIZES = ((32, 5, 256, 4), (64, 5, 256, 4))
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lm_device", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small size, to see that it runs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, help="where the JSON goes; standard output by default")
    options = parser.parse_args(arguments)
    ranks = join_ranks(options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    device = ranks.device
    gpu = device.startswith("cuda")
    sizes = QUICK_SIZES if options.quick else GPU_SIZES if gpu else CPU_SIZES
    rows = []
    for vocab, length, width, layers in sizes:
        for name in ("float32", "bfloat16") if gpu else ("float32", "float64"):
            if gpu and vocab**length > 1e9 and name == "float32" and torch.cuda.get_device_properties(device).total_memory < 20e9:
                continue
            rows.append(measure(ranks, name, vocab, length, width, layers, repeats=1 if vocab**length > 1e8 else 5))
            print(summary(rows[-1]), file=sys.stderr, flush=True)
    text = json.dumps({"device": device_name(device), "torch": torch.__version__, "rows": rows}, indent=2) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


def measure(ranks: Ranks, dtype: str, vocab: int, length: int, width: int, layers: int, *, repeats: int) -> dict[str, Any]:
    """Walk over all completions, adding up their probabilities; medians of `repeats`."""
    device = ranks.device
    config = TinyLMConfig(vocab=vocab, positions=16 + length, width=width, heads=max(width // 64, 1), layers=layers, sharpness=2.0)
    model = TinyLM(config, device=device, dtype=DTYPES[dtype])
    prompt = torch.arange(8, device=device) % vocab
    seconds: list[float] = []
    mass = 0.0
    _reset(device)
    for turn in range(repeats + 1):
        _wait(device)
        began = time.perf_counter()
        at_once = 1 << (17 if device.startswith("cuda") else 13)
        (mass,) = log_sum([model], prompt, length, [lambda block: block.log_probs[0]], nodes_at_once=at_once, ranks=ranks).tolist()
        _wait(device)
        if turn or repeats == 1:
            seconds.append(time.perf_counter() - began)
    spent = statistics.median(seconds)
    done = flops(vocab, length, width, layers)
    return {
        "vocab": vocab,
        "length": length,
        "width": width,
        "layers": layers,
        "dtype": dtype,
        "completions": vocab**length,
        "ranks": ranks.size,
        "seconds": spent,
        "completions_per_second": vocab**length / spent,
        "share_of_peak": done / spent / peak(device, DTYPES[dtype]),
        "peak_memory_bytes": _memory(device),
        "log_of_total_mass": mass,
    }


def flops(vocab: int, length: int, width: int, layers: int) -> float:
    """Multiply-adds of the matrix products, times two; attention is left out."""
    nodes = sum(vocab**depth for depth in range(length))
    return 2.0 * nodes * (12 * width * width * layers + width * vocab)


def peak(device: str, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product."""
    size = 8192 if device.startswith("cuda") else 1024
    a = torch.randn(size, size, device=device).to(dtype)
    for _ in range(2):
        a @ a
    _wait(device)
    began = time.perf_counter()
    for _ in range(5):
        a @ a
    _wait(device)
    return 5 * 2.0 * size**3 / (time.perf_counter() - began)


def summary(row: dict[str, Any]) -> str:
    """One line about a row."""
    return (
        f"V = {row['vocab']}, T = {row['length']}, {row['dtype']}: {row['completions']:,} completions in {row['seconds']:.3g} s, "
        f"{row['share_of_peak']:.0%} of peak, {row['peak_memory_bytes'] / 1e9:.2f} GB, log of the total mass {row['log_of_total_mass']:.1e}"
    )


def device_name(device: str) -> str:
    """What the numbers were measured on."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"CPU, {torch.get_num_threads()} threads"


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _reset(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _memory(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
