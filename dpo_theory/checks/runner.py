"""Runs the checks on one loss."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks import registry
from dpo_theory.checks.batches import drawn_from
from dpo_theory.checks.check import Check, Finding
from dpo_theory.checks.subject import LossFailed, Subject
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.evidence import Evidence, Report, Verdict
from dpo_theory.rigor.limit import TimeLimit, time_limit

__all__ = ["CANNOT", "Interrupted", "check_loss", "fingerprint_of", "run_check"]

SECONDS = 10.0
FINGERPRINT = 10.0  # seconds for the fingerprint
WHOLE = 6  # times the limit of one check: then the rest is skipped
CANNOT = "the loss cannot be evaluated"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `check_loss`; `report` holds what was done."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


def check_loss(
    loss: Callable[..., Any],
    *,
    spec: Callable[..., Any] | None = None,
    has: Iterable[str] | None = None,
    lacks: Iterable[str] | None = None,
    only: Iterable[str] | None = None,
    seed: int = 0,
    deep: bool = False,
    style: str | None = None,
    pairs: PairLogProbs | None = None,
    seconds: float = SECONDS,
    on_row: Callable[[Evidence, int, int], None] | None = None,
) -> Report:
    """Check a preference loss: what it owes, and what it does.

    Args:
        loss: PairLogProbs -> (N,), or f(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps) in
            torch or NumPy; per-pair losses, their mean or sum, or a tuple that starts with them.
        spec: a loss that this one is meant to implement: value, gradient and every declared property must agree.
        has: properties declared present; default what the loss or the spec declares.
        lacks: properties declared absent; likewise.
        only: names of the checks to run; default all.
        seed: the seed of all randomness.
        deep: also the slow checks.
        style: `pairs`, `logps` or `logps-no-reference`, where the signature does not tell.
        pairs: (N,) pairs of your own, with lengths, to measure on instead of random ones; the small and the extreme pairs stay.
        seconds: time limit of one check.
        on_row: called with (evidence, how many are done, how many there are).

    Returns:
        A Report that fails when the contract is refuted, a declared property is refuted, or one declared absent holds; with the
        loss's fingerprint where all checks are asked for.

    Raises:
        ValueError: not a callable, an ambiguous signature, or a name that is no check.
        Interrupted: Ctrl-C; its `report` holds the rows that were done.

    >>> from dpo_theory.losses.dpo import DPO
    >>> check_loss(DPO(beta=0.3), only=["margin-only"]).verdicts["margin-only"].value
    'PROVED'
    """
    started = time.perf_counter()
    deadline = started + WHOLE * seconds
    source = loss if spec is None else spec
    declared_has = frozenset(getattr(source, "has", ()) if has is None else has)
    declared_lacks = frozenset(getattr(source, "lacks", ()) if lacks is None else lacks)
    registry.require(declared_has | declared_lacks, "property")
    both = declared_has & declared_lacks
    if both:
        raise ValueError(f"{', '.join(sorted(both))}: declared both present and absent.")
    chosen = registry.names() if only is None else tuple(only)
    registry.require(chosen)
    checks = [check for check in map(registry.load, chosen) if deep or not check.slow or only is not None]
    rows: list[Evidence] = []
    fingerprints: list[Any] = []
    try:
        with time_limit(seconds):
            subject: Subject | None = make_subject(loss, style=style, has=declared_has, lacks=declared_lacks)
        failure = ""
    except (LossFailed, TimeLimit) as error:
        subject, failure = None, f"{CANNOT}: {error}"
    name = subject.name if subject is not None else getattr(loss, "__name__", repr(loss).splitlines()[0])
    total = len(checks) + (2 if spec is not None else 0)

    def report() -> Report:
        of = total if subject is not None or spec is None else len(checks)
        taken = next(iter(fingerprints), None)
        return Report(name, tuple(rows), of, seed, time.perf_counter() - started, fingerprint=taken)

    if pairs is not None and any(column is None for column in pairs[:6]):
        raise ValueError("pairs lacks log-probabilities or lengths: give the first six columns of PairLogProbs, (N,) each.")
    try:
        for check in checks:
            said = failure if not rows else ""
            late = f"{WHOLE * seconds:g} s have gone: the loss is too slow" if time.perf_counter() > deadline else ""
            with drawn_from(pairs):
                rows.append(run_check(check, subject, declared_has, declared_lacks, seed, seconds, said, bool(failure), late))
            if on_row is not None:
                on_row(rows[-1], len(rows), total)
        if spec is not None and subject is not None:
            from dpo_theory.checks import specification

            for check in specification.checks(spec):
                rows.append(run_check(check, subject, frozenset(), frozenset(), seed, seconds))
                if on_row is not None:
                    on_row(rows[-1], len(rows), total)
        if only is None and subject is not None and time.perf_counter() < deadline:
            fingerprints.append(fingerprint_of(subject))
    except KeyboardInterrupt:
        raise Interrupted(report()) from None
    return report()


def fingerprint_of(subject: Subject, seconds: float = FINGERPRINT) -> Any:
    """What the loss aims at; None where it cannot be said, or not in time: a fingerprint never fails a report."""
    from dpo_theory.fingerprint.derive import of
    from dpo_theory.fingerprint.known import Known, expressed

    try:
        with time_limit(seconds), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            expression, symbols, opaque = expressed(subject.reading, subject.call)
            known = Known(
                subject.name, expression, symbols, opaque, subject.values, subject.gradients,
                None if expression is None else subject.margin_expression, subject.batch_coupled,
            )  # fmt: skip
            return of(known, subject.parameters.get("beta"))
    except (Exception, TimeLimit):
        return None


def run_check(
    check: Check,
    subject: Subject | None,
    has: frozenset[str],
    lacks: frozenset[str],
    seed: int = 0,
    seconds: float = SECONDS,
    failure: str = "",
    dead: bool = False,
    skip: str = "",
) -> Evidence:
    """The evidence of one check on one loss.

    Args:
        check: the check.
        subject: the loss; None where it cannot be evaluated.
        has, lacks: declared properties.
        seed: the seed of all randomness.
        seconds: time limit.
        failure: why the loss cannot be evaluated, said once.
        dead: it cannot be evaluated.
        skip: why the check is not run.
    """
    began = time.perf_counter()
    rng = np.random.default_rng([seed, int(check.code[1:])])
    stopped = False
    if failure:
        finding = Finding(Verdict.REFUTED, reason=failure)
    elif skip or dead or subject is None:
        finding = Finding(Verdict.SKIPPED, reason=skip or CANNOT)
    else:
        try:
            with time_limit(seconds), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
                finding = check.run(subject, rng)
        except LossFailed as error:
            verdict = Verdict.REFUTED if check.kind == "contract" else Verdict.UNDECIDED
            finding = Finding(verdict, reason=f"the loss {error}")
        except TimeLimit as error:
            finding, stopped = Finding(Verdict.UNDECIDED, reason=str(error)), True
        except Exception as error:  # a check that stumbles over a foreign loss says so; the others go on
            finding = Finding(Verdict.UNDECIDED, reason=f"the check raised {type(error).__name__}: {error}")
    declared = "has" if check.name in has else "lacks" if check.name in lacks else None
    expected = "holds" if failure or check.kind == "contract" or declared == "has" else "refuted" if declared == "lacks" else None
    failed = (expected == "holds" and finding.verdict == Verdict.REFUTED) or (expected == "refuted" and finding.verdict.holds)
    failed = failed or (stopped and check.kind == "contract")
    refuted = failed and finding.verdict == Verdict.REFUTED
    present = "declared absent, and it holds" if failed and finding.verdict.holds else ""
    statement = check.statement.strip()
    return Evidence(
        id=check.name,
        name=statement.splitlines()[0].rstrip("."),
        kind=check.kind,
        statement=statement,
        source="",
        declared=declared,
        expected=expected,
        verdict=finding.verdict,
        failed=failed,
        method=finding.method,
        residual=finding.residual,
        tolerance=finding.tolerance,
        instances=finding.instances,
        seed=seed,
        counterexample=finding.counterexample,
        seconds=time.perf_counter() - began,
        reason="; ".join(filter(None, (finding.reason, present, _remedy(check) if refuted and not failure else ""))),
    )


def _remedy(check: Check) -> str:
    return f"remedy: {check.remedy}" if check.remedy else ""
