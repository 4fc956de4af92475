"""All losses of an installed library: contract, properties, combinations of options, and what the checks found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dpo_theory import adapters
from dpo_theory.adapters.adapted import Adapted, InternalsChanged, Refused
from dpo_theory.adapters.sweep import Combination, reach, sweep
from dpo_theory.evidence import Report

__all__ = ["Row", "Table", "examine", "table"]

SECONDS = 30.0  # of one check; a loaded machine is no finding
JOBS = 2


@dataclass(frozen=True)
class Row:
    """One loss.

    Args:
        loss: as it is written, with the options that it was given.
        report: of all checks; None where it was skipped.
        skipped: why.
        needs: what the library said when it refused its defaults.
        per_pair: a batch gives the losses of its pairs alone.
        sees_lengths: lengths change the loss.
        combinations: options that fail.
        reach: loss -> dtype -> from which margin on it is not finite.
        seconds: wall time.
    """

    loss: str
    report: Report | None = None
    skipped: str = ""
    needs: str = ""
    per_pair: bool = True
    sees_lengths: bool = False
    combinations: tuple[Combination, ...] = ()
    reach: tuple[tuple[str, str, str], ...] = ()
    seconds: float = 0.0


def examine(library: str, name: str, seed: int = 0, only: tuple[str, ...] | None = None) -> Row:
    """One loss of an installed library.

    Args:
        library, name: which.
        seed: the seed of all randomness.
        only: names of the checks; default all.
    """
    from dpo_theory.checks.runner import check_loss

    began = time.perf_counter()
    target = f"{library}:{name}"
    try:
        loss, needs = _allowed(library, name)
        report = check_loss(loss, seed=seed, seconds=SECONDS, only=only)
        found = tuple(sweep(loss)) if only is None else ()
        reached = tuple((repr(one), dtype, said) for one in _worded(loss) for dtype, said in reach(one).items()) if only is None else ()
    except InternalsChanged as error:
        return Row(target, skipped=str(error), seconds=time.perf_counter() - began)
    except Refused as error:
        return Row(target, skipped=f"{error} No single option makes it acceptable.", seconds=time.perf_counter() - began)
    return Row(repr(loss), report, "", needs, loss.per_pair, loss.sees_lengths, found, reached, time.perf_counter() - began)


def _allowed(library: str, name: str) -> tuple[Adapted, str]:
    """The loss at its defaults, or with the first single option that the library asks for."""
    try:
        return adapters.load(library, name), ""
    except Refused as error:
        said, refusal = str(error), error
    from dpo_theory.adapters import trainers

    for option in trainers.options(name):
        for value in (0.1, 0.5, True):
            try:
                return adapters.load(library, name, {option: value}), said
            except (Refused, ValueError):
                continue
    raise refusal


def _worded(loss: Adapted) -> Iterator[Adapted]:
    """The loss, and with each choice that is named by a word."""
    yield loss
    for option, values in loss.choices.items():
        for value in values:
            if isinstance(value, str) and value != loss.options[option]:
                try:
                    yield loss.replace(**{option: value})
                except ValueError:
                    continue


@dataclass(frozen=True)
class Table:
    """All losses of one library.

    Args:
        library, version: which.
        rows: one for each loss.
        environment: versions of what it ran on.
        seconds: wall time.
    """

    library: str
    version: str
    rows: tuple[Row, ...]
    environment: dict[str, str]
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 where no contract is refuted, 1 where one is, 3 where nothing ran."""
        reports = [row.report for row in self.rows if row.report is not None]
        if not reports:
            return 3
        return int(any(report.failed for report in reports) or any(row.combinations for row in self.rows))

    def to_text(self, width: int | None = None) -> str:
        """One line per loss, then what was found."""
        from dpo_theory.adapters import shown

        return shown.text(self, width)

    def to_markdown(self) -> str:
        """As Markdown, with the code of every finding."""
        from dpo_theory.adapters import shown

        return shown.markdown(self)

    def to_html(self) -> str:
        """As one HTML page."""
        from dpo_theory.adapters import shown

        return shown.page(self)

    def to_json(self) -> str:
        """By the schema in `dpo_theory.report.schema`."""
        from dpo_theory.adapters import shown
        from dpo_theory.report.json import dump

        return dump(shown.document(self))

    def _repr_html_(self) -> str:
        from dpo_theory.adapters import shown

        return shown.fragment(self)

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")


def table(
    library: str,
    *,
    seed: int = 0,
    only: tuple[str, ...] | None = None,
    jobs: int = JOBS,
    on_row: Callable[[str, int, int], Any] | None = None,
) -> Table:
    """Every loss of an installed library.

    Args:
        library: `trl`, `torchtune` or `openrlhf`.
        seed: the seed of all randomness.
        only: names of the checks; default all, and the combinations of options.
        jobs: processes.
        on_row: called with (loss, how many are done, how many there are).

    Raises:
        MissingLibrary: it is not installed; the message says how to install it.
    """
    from dpo_theory.evidence import environment

    began = time.perf_counter()
    version = adapters.version(library)
    try:
        names = adapters.names(library)
    except InternalsChanged as error:
        return Table(library, version, (Row(library, skipped=str(error)),), environment())
    rows: list[Row] = []
    for row in _each(library, names, seed, only, jobs if len(names) > 8 else 1):
        rows.append(row)
        if on_row is not None:
            on_row(row.loss, len(rows), len(names))
    return Table(library, version, tuple(rows), {**environment(), library: version}, time.perf_counter() - began)


def _each(library: str, names: tuple[str, ...], seed: int, only: tuple[str, ...] | None, jobs: int) -> Iterator[Row]:
    if jobs == 1:
        yield from (examine(library, name, seed, only) for name in names)
        return
    import joblib

    run = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
    yield from run(joblib.delayed(examine)(library, name, seed, only) for name in names)
