"""Runs a plan: in this process, in several, or on many machines; what is on the disk is not run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from bandits.experiments.engine.journal import Journal
from bandits.experiments.engine.plan import Plan
from bandits.experiments.engine.records import Records, plain, unplain

__all__ = ["run_block", "sweep"]

_AHEAD = 4  # blocks in flight for each worker of a cluster
_PATIENCE = "10s"  # for a scheduler to answer


def sweep(
    plan: Plan,
    *,
    directory: str | Path | None = None,
    jobs: int = 1,
    dask: str | None = None,
    on_block: Callable[[int, int, int], None] | None = None,
) -> Records:
    """Every record of a plan, the same whichever way it is run.

    Args:
        plan: what to run.
        directory: where the records are kept, block by block; a sweep that was stopped goes on from there. None keeps them in memory.
        jobs: processes on this machine.
        dask: address of a Dask scheduler, such as tcp://10.0.0.1:8786; replaces `jobs`.
        on_block: called with (blocks done, blocks in all, blocks that were on the disk) before the first block and after each.

    Raises:
        ValueError: the directory holds another plan or a damaged file, jobs is not a whole number >= 1, or Dask cannot be reached.
        OSError: the records cannot be written; those written before are kept.

    >>> from bandits.experiments import load
    >>> len(sweep(load("sample_size").plan(seeds=2, sizes=(10, 20)))) > 0
    True
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs is {jobs!r}, expected a whole number >= 1: processes on this machine.")
    if directory is None:
        blocks = {index: [unplain(row) for row in rows] for index, rows in _counted(plan, frozenset(), jobs, dask, on_block)}
        return Records({**plan.header, "blocks_done": len(blocks)}, tuple(row for index in sorted(blocks) for row in blocks[index]))
    with Journal(directory, plan.header) as journal:
        for index, rows in _counted(plan, journal.done, jobs, dask, on_block, journal.append):
            del index, rows
        return journal.records()


def run_block(plan: Plan, index: int) -> list[dict[str, Any]]:
    """The records of one block, as JSON has them.

    Raises:
        ValueError: the study measured nothing, or a value that no record can hold.
    """
    rows: list[dict[str, Any]] = [plain(row) for row in plan.study.measure(plan.task(index))]
    if not rows:
        raise ValueError(f"block {index} of {plan.study.name} has no record: a study measures at least one thing for every block.")
    return rows


def _counted(
    plan: Plan,
    done: frozenset[int],
    jobs: int,
    dask: str | None,
    on_block: Callable[[int, int, int], None] | None,
    keep: Callable[[int, list[dict[str, Any]]], None] | None = None,
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    todo = [index for index in range(len(plan)) if index not in done]
    finished = len(plan) - len(todo)
    if on_block is not None:
        on_block(finished, len(plan), len(done))
    run = _on_cluster(plan, todo, dask) if dask is not None else _here(plan, todo, jobs)
    for index, rows in run if todo else ():
        if keep is not None:
            keep(index, rows)
        finished += 1
        if on_block is not None:
            on_block(finished, len(plan), len(done))
        yield index, rows


def _numbered(plan: Plan, index: int) -> tuple[int, list[dict[str, Any]]]:
    return index, run_block(plan, index)


def _here(plan: Plan, todo: list[int], jobs: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    if jobs == 1 or len(todo) == 1:
        yield from (_numbered(plan, index) for index in todo)
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=min(jobs, len(todo)), return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
        yield from pool(delayed(_numbered)(plan, index) for index in todo)


def _on_cluster(plan: Plan, todo: list[int], address: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ValueError('Dask is not installed. Install the extra: pip install "dpo-theory[dask]".') from None
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {address}: {error}. Start one with `dask scheduler`, and workers.") from None
    with client:
        shared = client.scatter(plan, broadcast=True)
        waiting = iter(todo)
        ahead = _AHEAD * max(sum(client.ncores().values()), 1)

        def submit(index: int) -> Any:
            return client.submit(_numbered, shared, index, pure=False)

        queue = as_completed([submit(index) for index in islice(waiting, ahead)], loop=client.loop)
        for future in queue:
            yield future.result()
            following = next(waiting, None)
            if following is not None:
                queue.add(submit(following))
