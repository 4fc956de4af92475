"""Runs claims: every derivation step, the certificate on every rung, the search, every edge."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dpo_theory.claims import registry
from dpo_theory.evidence import Counterexample, Evidence, Report, Verdict

if TYPE_CHECKING:
    from dpo_theory.claims.claim import Claim, Measured
    from dpo_theory.instances import Rung

__all__ = ["Interrupted", "run", "verify"]

SEARCH_RUNGS = 8


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `verify`; `report` holds what was done."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


def verify(
    ids: str | Sequence[str] | None = None,
    *,
    seed: int = 0,
    on_row: Callable[[Evidence, int, int], None] | None = None,
) -> Report:
    """Verify claims: prove, certify, measure, and break every assumption.

    Args:
        ids: ids or aliases, one or several; None verifies every claim.
        seed: the seed of all randomness, >= 0.
        on_row: called with (evidence, how many are done, how many there are) after each claim.

    Returns:
        A Report with one row per claim, in order.

    Raises:
        UnknownClaim: a name is neither an id nor an alias.
        ValueError: the seed is not a whole number >= 0.
        Interrupted: Ctrl-C; its `report` holds the rows that were done.

    >>> verify("eq4").verdicts["D04"].value
    'PROVED'
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}, expected a whole number >= 0.")
    names = [ids] if isinstance(ids, str) else ids
    chosen = registry.ids() if names is None else registry.resolve(names)
    started = time.perf_counter()
    rows: list[Evidence] = []

    def report() -> Report:
        spent, replay = time.perf_counter() - started, f"dpo-theory verify {{id}} --seed {int(seed)}"
        return Report("the mathematics of DPO", tuple(rows), len(chosen), int(seed), spent, replay=replay, derivation=derivation)

    try:
        for id in chosen:
            rows.append(run(registry.load(id), seed=int(seed)))
            if on_row is not None:
                on_row(rows[-1], len(rows), len(chosen))
    except KeyboardInterrupt:
        raise Interrupted(report()) from None
    return report()


def derivation(id: str) -> Any:
    """The steps of a claim's derivation as they are shown."""
    from dpo_theory.report.derivation import Derivation

    return Derivation.of(registry.load(id))


def run(
    claim: Claim,
    *,
    seed: int = 0,
    only: Iterable[str] = ("proof", "certificate", "search", "edge"),
    rungs: Sequence[Rung] | None = None,
) -> Evidence:
    """All evidence about one claim.

    Args:
        claim: the claim.
        seed: the seed of all randomness.
        only: which parts to run.
        rungs: the problems to measure it on; the ladder by default.

    Returns:
        Evidence whose parts are the proof, the certificate, the search and one row per edge.
    """
    started = time.perf_counter()
    parts: list[Evidence] = []
    for kind, present, part in (
        ("proof", claim.derive, _prove),
        ("certificate", claim.certify, partial(_certify, rungs=rungs)),
        ("search", claim.search, partial(_search, rungs=rungs)),
        ("edge", claim.edges, _edges),
    ):
        if kind in only and present:
            begun = time.perf_counter()
            try:
                found = part(claim, seed)
            except Exception as error:  # a claim that raises is a finding, whatever it raises
                found = [_part(claim, kind, Verdict.UNDECIDED, reason=f"raised {type(error).__name__}: {error}")]
            spent = (time.perf_counter() - begun) / max(len(found), 1)
            parts += [_replace(row, seconds=spent) for row in found]
    return _sum_up(claim, tuple(parts), seed, time.perf_counter() - started)


def _prove(claim: Claim, seed: int) -> list[Evidence]:
    assert claim.derive is not None
    steps = list(claim.derive())
    if not steps:
        return [_part(claim, "proof", Verdict.UNDECIDED, reason="the derivation has no steps")]
    worst, sizes = 0.0, []
    for step in steps:
        outcome = step.judge(seed)
        worst = max(worst, outcome.residual)
        sizes += [step.sizes] if step.sizes else []
        if outcome.refuted:
            left, right = step.text().split(f" {step.relation} ", 1)
            found = Counterexample(
                f"step {step.claim!r} at {outcome.witness}",
                f"{left} {step.relation} {right}",
                outcome.witness.rsplit(": ", 1)[-1],
                step.why,
                f"from dpo_theory.claims import registry\nfor step in registry.load({claim.id!r}).derive():\n"
                "    print(step.claim, step.judge())",
            )
            return [_part(claim, "proof", Verdict.REFUTED, counterexample=found, residual=outcome.residual)]
        if not outcome.proved:
            reason = f"step {step.claim!r} is neither proved nor refuted: {outcome.reason}"
            return [_part(claim, "proof", Verdict.UNDECIDED, reason=reason)]
    said = "; ".join(dict.fromkeys(sizes))
    return [
        _part(
            claim,
            "proof",
            Verdict.PROVED,
            method=_count(len(steps), "step"),
            sizes=said,
            residual=worst,
            tolerance=1e-35,
        )
    ]


def _certify(claim: Claim, seed: int, rungs: Sequence[Rung] | None) -> list[Evidence]:
    return [_measure(claim, "certificate", claim.certify, seed, None, rungs)]


def _search(claim: Claim, seed: int, rungs: Sequence[Rung] | None) -> list[Evidence]:
    return [_measure(claim, "search", claim.search, seed, SEARCH_RUNGS, rungs)]


def _measure(claim: Claim, kind: str, function: Any, seed: int, limit: int | None, given: Sequence[Rung] | None) -> Evidence:
    from dpo_theory.instances import ladder

    worst, tolerance, instances, exact = -1.0, 0.0, 0, True
    once = not inspect.signature(function).parameters
    rungs: Sequence[Any] = (None,) if once else ladder(seed) if given is None else given
    for number, rung in enumerate(rungs):
        rng = np.random.default_rng([seed, number])
        seen = False
        for measured in function() if once else function(rung.bandit, rng):
            seen = True
            exact = exact and measured.exact
            residual = measured.residual
            if not measured.met:
                found = _counterexample(claim, kind, measured, rung, seed, number)
                return _part(
                    claim, kind, Verdict.REFUTED, counterexample=found, residual=residual, tolerance=measured.tolerance,
                    instances=instances + 1,
                )  # fmt: skip
            if residual * max(tolerance, 1e-300) >= worst * measured.tolerance or worst < 0:
                worst, tolerance = residual, 0.0 if measured.exact else measured.tolerance
        instances += seen
        if limit is not None and instances >= limit:
            break
    if instances == 0:
        return _part(claim, kind, Verdict.UNDECIDED, reason=f"the {kind} applied to no instance")
    verdict = Verdict.CERTIFIED if exact else Verdict.HOLDS
    return _part(claim, kind, verdict, residual=max(worst, 0.0), tolerance=tolerance, instances=instances)


def _counterexample(claim: Claim, kind: str, measured: Measured, rung: Any, seed: int, number: int) -> Counterexample:
    attribute = "certify" if kind == "certificate" else "search"
    call = "()" if rung is None else f"(bandit, np.random.default_rng([{seed}, {number}]))"
    setup = "" if rung is None else f"bandit = {rung.bandit!r}\n"
    reproduce = (
        "import numpy as np\nfrom bandits import TabularBandit\nfrom dpo_theory.claims import registry\n"
        f"{setup}for measured in registry.load({claim.id!r}).{attribute}{call}:\n    print(measured)"
    )
    problem = measured.what if rung is None else f"{measured.what}, on {rung.name}: {rung.bandit!r}"
    sign = measured.relation
    return Counterexample(
        problem,
        f"{sign} {_number(measured.expected)}",
        _number(measured.got),
        "in exact arithmetic" if measured.exact else f"residual {measured.residual:.3g}",
        reproduce,
    )


def _edges(claim: Claim, seed: int) -> list[Evidence]:
    rows = []
    for assumption, break_it in claim.edges.items():
        found = break_it()
        verdict = Verdict.REFUTED if found is None else Verdict.HOLDS
        reason = "the statement did not break without this assumption" if found is None else ""
        rows.append(_part(claim, "edge", verdict, method=f"without {assumption}", counterexample=found, reason=reason))
    return rows


def _sum_up(claim: Claim, parts: tuple[Evidence, ...], seed: int, seconds: float) -> Evidence:
    by_kind = {part.kind: part for part in parts if part.kind != "edge"}
    edges = [part for part in parts if part.kind == "edge"]
    verdict, reason, counterexample = _verdict(claim, parts)
    measured = [part for part in parts if part.residual is not None and part.kind != "proof"]
    worst = max(measured, key=lambda part: (part.residual or 0.0) / (part.tolerance or 1e-12), default=None)
    method = [f"proof: {by_kind['proof'].method or 'stopped'}"] if "proof" in by_kind else []
    method += [f"{kind}: {_count(by_kind[kind].instances, 'instance')}" for kind in ("certificate", "search") if kind in by_kind]
    method += [_count(len(edges), "edge")] if edges else []
    return Evidence(
        id=claim.id,
        name=claim.name,
        kind="claim",
        statement=inspect.cleandoc(claim.statement),
        source=str(claim.source),
        declared=None,
        expected=claim.expects,
        verdict=verdict,
        failed=not (verdict == Verdict.REFUTED if claim.expects == "refuted" else verdict.holds),
        method=", ".join(method),
        sizes=by_kind["proof"].sizes if "proof" in by_kind else "",
        residual=worst.residual if worst else None,
        tolerance=worst.tolerance if worst else None,
        instances=sum(part.instances for part in parts),
        seed=seed,
        counterexample=counterexample,
        seconds=seconds,
        reason=reason,
        parts=parts,
    )


def _verdict(claim: Claim, parts: tuple[Evidence, ...]) -> tuple[Verdict, str, Counterexample | None]:
    refuted = [part for part in parts if part.verdict == Verdict.REFUTED]
    if refuted:  # an instance that can be pasted is shown before a derivation step
        shown = min(refuted, key=lambda part: part.kind == "proof")
        return Verdict.REFUTED, shown.reason, shown.counterexample
    for part in parts:
        if part.verdict == Verdict.UNDECIDED:
            return Verdict.UNDECIDED, part.reason, None
    found = {part.verdict for part in parts if part.kind != "edge"}
    if Verdict.PROVED in found and not claim.unproved:
        return Verdict.PROVED, "", None
    if claim.unproved:
        found -= {Verdict.PROVED}
        if not found:
            return Verdict.UNDECIDED, f"not reached by the derivation: {claim.unproved}", None
    reason = f"measured only: {claim.unproved}" if claim.unproved else ""
    certificate = {part.verdict for part in parts if part.kind == "certificate"} or found
    if certificate == {Verdict.CERTIFIED}:
        return Verdict.CERTIFIED, reason, None
    return (Verdict.HOLDS, reason, None) if found else (Verdict.UNDECIDED, "nothing ran", None)


def _part(claim: Claim, kind: str, verdict: Verdict, **fields: Any) -> Evidence:
    return Evidence(
        id=claim.id,
        name=claim.name,
        kind=kind,
        statement="",
        source="",
        declared=None,
        expected=None,
        verdict=verdict,
        failed=verdict in (Verdict.REFUTED, Verdict.UNDECIDED) and claim.expects == "holds",
        **fields,
    )


def _replace(row: Evidence, **changes: Any) -> Evidence:
    from dataclasses import replace

    return replace(row, **changes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _number(value: Any) -> str:
    array = np.asarray(value)
    if array.dtype == object:
        return str(value)
    return np.array2string(array, precision=12, threshold=20) if array.ndim else f"{float(array):.12g}"
