"""One row of a report that is not asked for until the test runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpo_theory.evidence import Evidence, Report

__all__ = ["LazyEvidence", "parametrized"]


@dataclass(frozen=True, eq=False)
class LazyEvidence:
    """What a parametrised test receives; calling it is the test.

    Args:
        id: the test's id, such as `IPO(tau=0.1)-monotone`.
        report: gathers the evidence, one row.
    """

    id: str
    report: Callable[[], Report]

    def evidence(self) -> Evidence:
        """The evidence, gathered now and not judged."""
        return self.report().rows[0]

    def __call__(self) -> Evidence:
        """Gather the evidence and judge it.

        Returns:
            The evidence, where it is as expected.

        Raises:
            VerificationError: it is not as expected; the message has the counterexample.
            pytest.skip.Exception: it was not run, does not apply or is undecided; the reason is given.
            pytest.xfail.Exception: a property of which nothing is declared is absent: no failure, but the summary of pytest tells it,
                with the witness.
        """
        __tracebackhide__ = True
        import pytest

        from dpo_theory.evidence import VerificationError
        from dpo_theory.report.cells import absent
        from dpo_theory.report.text import absences, failures

        report = self.report()
        (row,) = report.rows
        if row.failed:
            raise VerificationError(failures(report))
        print(report)
        if not row.verdict.ran or row.verdict.value == "UNDECIDED":
            pytest.skip(f"{row.verdict.value}: {row.reason or 'no reason was given'}")
        if absent(row):
            pytest.xfail("not declared; " + " ".join(absences(report).split()))
        return row

    def __repr__(self) -> str:
        return f"LazyEvidence({self.id})"


def parametrized(argument: str, rows: Sequence[LazyEvidence]) -> Any:
    """The pytest decorator that hands a test each row by the argument's name, in this order, under the rows' ids."""
    import pytest

    return pytest.mark.parametrize(argument, [pytest.param(row, id=row.id) for row in rows])
