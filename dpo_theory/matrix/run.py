"""Asks every question of every loss, several losses at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.matrix.case import Case
from dpo_theory.matrix.columns import COLUMNS, decide
from dpo_theory.matrix.notes import note
from dpo_theory.matrix.record import Line, Matrix
from dpo_theory.matrix.rows import Row, standard

__all__ = ["line", "matrix"]


def matrix(
    rows: Sequence[Row] | None = None,
    *,
    jobs: int = 1,
    seed: int = 0,
    on_line: Callable[[Line, int, int], None] | None = None,
) -> Matrix:
    """Losses by properties.

    Args:
        rows: the losses; by default those of the library.
        jobs: processes; losses that other processes cannot import need 1.
        seed: of all randomness.
        on_line: called with (line, how many are done, how many there are), in the order in which they are done.

    Returns:
        A Matrix, its lines in the order of `rows` whatever `jobs` is.

    Raises:
        ValueError: jobs is below 1, or a loss cannot be called.

    >>> from dpo_theory.losses import DPO
    >>> from dpo_theory.matrix.rows import of
    >>> found = matrix([of(DPO())])
    >>> found["DPO"]["Ref"].shown, found["DPO"]["BT"].verdict.value
    ('log(2)', 'PROVED')
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}, expected 1 or more.")
    rows = standard() if rows is None else tuple(rows)
    began = time.perf_counter()
    done: dict[int, Line] = {}
    for number, found in _lines(rows, jobs, seed):
        done[number] = found
        if on_line is not None:
            on_line(found, len(done), len(rows))
    return Matrix(COLUMNS, tuple(done[number] for number in range(len(rows))), seed, time.perf_counter() - began)


def line(row: Row, seed: int = 0) -> Line:
    """The cells of one loss.

    Raises:
        ValueError: it cannot be called.
    """
    began = time.process_time()
    try:
        case = Case(make_subject(row.loss, name=row.label), seed)
    except LossFailed as error:
        raise ValueError(f"{row.label} cannot be asked: the loss {error}.") from None
    cells = []
    for column in COLUMNS:
        cell = decide(column.name, case)
        cells.append(cell.__class__(**{**cell.__dict__, "note": note(row.label, column.name, cell.shown)}))
    return Line(row.label, row.shown, tuple(cells), time.process_time() - began)


def _lines(rows: Sequence[Row], jobs: int, seed: int) -> Iterator[tuple[int, Line]]:
    if jobs == 1 or len(rows) < 2:
        for number, row in enumerate(rows):
            yield number, line(row, seed)
        return
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=min(jobs, len(rows)), return_as="generator_unordered", batch_size=1)
    yield from pool(delayed(_numbered)(number, row, seed) for number, row in enumerate(rows))


def _numbered(number: int, row: Row, seed: int) -> tuple[int, Line]:
    """One line in a process of the pool: one thread each, the pool has the cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    return number, line(row, seed)
