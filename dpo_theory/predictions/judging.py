"""Judges a prediction on records: one row of evidence for each thing predicted, and for each wrong one that was planted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from dpo_theory.claims.claim import Measured
from dpo_theory.evidence import Counterexample, Evidence, Report, Verdict
from dpo_theory.predictions.prediction import Estimated, Prediction

if TYPE_CHECKING:
    from bandits.experiments.engine.records import Records

__all__ = ["ALPHA", "judge"]

ALPHA = 0.01  # chance that a report refutes any of its true statistical predictions


def judge(prediction: Prediction, records: Records, *, seconds: float = 0.0) -> Report:
    """What the records say about the prediction.

    Statistical items are tested together: of m items with one that is refuted only beyond the normal quantile of ALPHA / m, a
    report of true predictions refutes any with probability ALPHA at most (Bonferroni).

    Args:
        prediction: the prediction.
        records: the study's records.
        seconds: what the sweep took, for the report.

    Returns:
        A Report with a row for each item predicted, which must hold, and for each item planted, which must be refuted.
    """
    begun = time.perf_counter()
    rows: list[Evidence] = []
    for kind, expected, ask in (("prediction", "holds", prediction.judge), ("planted", "refuted", prediction.wrong)):
        rows += _rows(prediction, records, kind, expected, ask)
    return Report(f"the study {prediction.study}", tuple(rows), None, records.header.get("root"), seconds + time.perf_counter() - begun)


def _rows(
    prediction: Prediction, records: Records, kind: str, expected: str, ask: Callable[[Records], Iterable[Measured | Estimated]]
) -> list[Evidence]:
    prefix = prediction.study if kind == "prediction" else f"{prediction.study}-wrong"
    started = time.perf_counter()
    try:
        items = list(ask(records))
    except Exception as error:  # a judge that raises is a finding, whatever it raises
        reason = f"raised {type(error).__name__}: {error}"
        return [_row(prediction, f"{prefix}.1", "cannot be judged", kind, expected, Verdict.UNDECIDED, reason=reason)]
    if not items:
        reason = "nothing was predicted of these records"
        return [_row(prediction, f"{prefix}.1", "no item", kind, expected, Verdict.UNDECIDED, reason=reason)]
    among = sum(isinstance(item, Estimated) for item in items)
    each = (time.perf_counter() - started) / len(items)
    return [_judged(prediction, f"{prefix}.{i}", item, kind, expected, among, each) for i, item in enumerate(items, start=1)]


def _judged(prediction: Prediction, id: str, item: Measured | Estimated, kind: str, expected: str, among: int, seconds: float) -> Evidence:
    if isinstance(item, Measured):
        verdict = Verdict.REFUTED if not item.met else Verdict.CERTIFIED if item.exact else Verdict.HOLDS
        count = int(np.size(item.got))
        found = _against(item.what, item.relation, item.expected, item.got, f"residual {item.residual:.3g}")
        method, residual, tolerance, reason = _count(count, "number"), item.residual, 0.0 if item.exact else item.tolerance, ""
    else:
        tails = 2 if item.relation == "=" else 1
        critical = NormalDist().inv_cdf(1 - ALPHA / (tails * among))
        residual, tolerance, count = max(item.z, 0.0), critical, item.count
        verdict, reason = (Verdict.REFUTED if residual > critical else Verdict.HOLDS), ""
        resolved = critical * item.error
        if verdict is Verdict.HOLDS and not resolved <= item.detects:
            verdict, reason = Verdict.UNDECIDED, _too_small(item, resolved)
        p = min(1.0, tails * among * NormalDist().cdf(-residual))
        method = f"{item.got:.5g} ± {item.error:.2g} against {item.expected:.5g}, p {p:.2g} of {among}"
        found = _against(item.what, item.relation, item.expected, f"{item.got:.6g} ± {item.error:.2g}", f"{item.z:.1f} standard errors off")
    return _row(
        prediction, id, item.what, kind, expected, verdict, method=method, residual=residual, tolerance=tolerance, instances=count,
        reason=reason, seconds=seconds, counterexample=found if verdict is Verdict.REFUTED else None,
    )  # fmt: skip


def _row(prediction: Prediction, id: str, name: str, kind: str, expected: str, verdict: Verdict, **fields) -> Evidence:
    failed = verdict is not Verdict.REFUTED if expected == "refuted" else not verdict.holds
    return Evidence(
        id=id, name=name, kind=kind, statement="", source=str(prediction.source), declared=None, expected=expected,
        verdict=verdict, failed=failed, **fields,
    )  # fmt: skip


def _against(what: str, relation: str, expected: object, got: object, because: str) -> Counterexample:
    return Counterexample(what, f"{relation} {_shown(expected)}", _shown(got), because)


def _too_small(item: Estimated, resolved: float) -> str:
    if not math.isfinite(resolved):
        return "one problem has no standard error. Take more seeds."
    wanted = math.ceil(item.count * (resolved / item.detects) ** 2)
    return f"{item.count} problems tell apart {resolved:.2g}, expected {item.detects:.2g}. Take {wanted} or more."


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype == object:
        return str(value)
    return np.array2string(array, precision=12, threshold=12) if array.ndim else f"{float(array):.12g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
