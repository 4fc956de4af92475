import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from dpo_theory.lm.ranks import ALONE, join_ranks
from tests.lm.two_ranks import numbers

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_give_the_numbers_of_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_addr=127.0.0.1", f"--master_port={port}"]
    done = subprocess.run(
        [*command, "-m", "tests.lm.two_ranks"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert found["size"] == 2
    assert max(abs(left - right) for left, right in zip(found["numbers"], numbers(ALONE), strict=True)) < 1e-12


def test_without_torchrun_a_process_is_alone():
    assert join_ranks() == ALONE
