"""The trial: every wrong loss must be refuted by the check that is named for it, and no right one by any."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from dpo_theory.audit.matrix import Audit
from dpo_theory.audit.mutants import EQUIVALENT, faults
from dpo_theory.audit.record import Right, Sabotage
from dpo_theory.audit.right import RIGHT
from dpo_theory.audit.shelf import SHELF
from dpo_theory.audit.trial import NAMES, alarms, multiple_of
from dpo_theory.evidence import Counterexample, Evidence, Report, Verdict

__all__ = ["audit"]

Row = tuple[Evidence, tuple[str, ...]]


def audit(*, seed: int = 0, full: bool = False, on_row: Callable[[Evidence, int, int], None] | None = None) -> Audit:
    """Put the checks on trial.

    Args:
        seed: the seed of all randomness.
        full: ask every check about every wrong loss; else each wrong loss is done with the first check that refutes it.
        on_row: called with (evidence, how many are done, how many there are).

    Returns:
        An Audit; it passes when every wrong loss is refuted by the check named for it, every fault made by machine by some
        check, and no right loss by any.
    """
    started = time.perf_counter()
    machine = tuple(faults())
    total = len(SHELF) + len(RIGHT) + len(machine)
    rows: list[Evidence] = []
    kills: dict[str, tuple[str, ...]] = {}
    for row, fired in _rows(machine, seed, full):
        rows.append(row)
        kills[row.id] = fired
        if on_row is not None:
            on_row(row, len(rows), total)
    report = Report("the checks on trial", tuple(rows), total, seed, time.perf_counter() - started)
    return Audit(report, kills, NAMES, full)


def _rows(machine: tuple[Any, ...], seed: int, full: bool) -> Iterator[Row]:
    for sabotage in SHELF:
        yield _wrong(sabotage, seed, full)
    for name, mutant, loss, before in machine:
        with mutant.applied():
            yield _mutant(name, loss, before, seed, full)
    for one in RIGHT:
        yield _right(one, seed)


def _wrong(sabotage: Sabotage, seed: int, full: bool) -> Row:
    began = time.perf_counter()
    fired = _fired(sabotage.loss, sabotage.spec, sabotage.killed_by, seed, full)
    reason, told = "", f"refuted by {', '.join(fired)}"
    if sabotage.killed_by not in fired:
        reason = f"{sabotage.killed_by} should refute it, and is silent"
    elif sabotage.killed_by == "same-value":
        others = [name for name in fired if not name.startswith("same-")]
        multiple = None if sabotage.twin is None else multiple_of(sabotage.loss, sabotage.twin)
        if others:
            reason = f"properties do tell: {', '.join(others)}"
        elif multiple is not None:
            told += f"; it is {multiple[0]} * {sabotage.twin!r} + {multiple[1]}, proved"
        elif sabotage.twin is not None:
            reason = f"it is not proved to be a multiple of {sabotage.twin!r}"
        else:
            told += f"; {sabotage.excuse}"
    return _evidence(sabotage.name, f"meant to be {sabotage.spec!r}", "wrong", "refuted", bool(fired), reason, told, began, seed), fired


def _mutant(name: str, loss: Any, before: Any, seed: int, full: bool) -> Row:
    began = time.perf_counter()
    fired = _fired(loss, before, None, seed, full)
    told = f"refuted by {', '.join(fired)}" if fired else EQUIVALENT.get(name, "")
    reason = "" if fired or name in EQUIVALENT else "no check refutes it"
    return _evidence(name, f"a fault in {before!r}", "mutant", "refuted", bool(fired), reason, told, began, seed), fired


def _right(one: Right, seed: int) -> Row:
    began = time.perf_counter()
    found = dict(alarms(one.loss, one.spec, seed=seed))
    reason = f"refuted by {', '.join(found)}" if found else ""
    shown = next((row.counterexample for row in found.values() if row.counterexample is not None), None)
    told = "" if found else "no alarm"
    return _evidence(one.name, f"a right {one.spec!r}", "right", "holds", bool(found), reason, told, began, seed, shown), tuple(found)


def _fired(loss: Any, spec: Any, first: str | None, seed: int, full: bool) -> tuple[str, ...]:
    fired = []
    for name, _ in alarms(loss, spec, first=first, seed=seed):
        fired.append(name)
        if not full:
            break
    return tuple(fired)


def _evidence(
    id: str,
    name: str,
    kind: str,
    expected: str,
    refuted: bool,
    reason: str,
    method: str,
    began: float,
    seed: int,
    counterexample: Counterexample | None = None,
) -> Evidence:
    verdict = Verdict.REFUTED if refuted else Verdict.HOLDS
    return Evidence(
        id=id,
        name=name,
        kind=kind,
        statement="",
        source="",
        declared=None,
        expected=expected,
        verdict=verdict,
        failed=bool(reason),
        method=method,
        seed=seed,
        counterexample=counterexample,
        seconds=time.perf_counter() - began,
        reason=reason,
    )
