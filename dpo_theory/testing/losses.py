"""The checks of a preference loss as pytest tests."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dpo_theory.checks import registry
from dpo_theory.checks.label import label
from dpo_theory.testing.lazy import LazyEvidence, parametrized

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["parametrize_with_checks"]

Loss = Callable[..., Any]
FROM_SPEC = ("same-value", "same-gradient")


def parametrize_with_checks(
    losses: Loss | Iterable[Loss] | Mapping[str, Loss],
    *,
    lacks: Iterable[str] | None = None,
    has: Iterable[str] | None = None,
    only: Iterable[str] | None = None,
    spec: Loss | None = None,
    style: str | None = None,
    deep: bool = False,
    seed: int = 0,
) -> Any:
    """Decorate a test that takes `check`: one test per loss and check, evaluated when the test runs.

    A test fails where the contract is refuted, a property declared present is refuted, or one declared absent holds. A property of
    which nothing is declared never fails; where it is absent the test is reported as xfailed, with the witness.

    Args:
        losses: one loss, several in an order that is the same on every run, or name -> loss.
        lacks: properties declared absent; default what each loss, or the spec, declares.
        has: properties declared present; likewise.
        only: names of the checks; default all.
        spec: a loss that these are meant to implement: value, gradient and every declared property must agree.
        style: how the losses are called, where their signatures do not tell.
        deep: also the slow checks, which are skipped otherwise.
        seed: the seed of all randomness.

    Returns:
        A decorator. The ids are `LOSS-CHECK`, such as `IPO(tau=0.1)-monotone`, the same in every process.

    Raises:
        ValueError: something is not callable, a name is no check, a property is declared both present and absent, or there is no test.

    >>> from dpo_theory import DPO
    >>> @parametrize_with_checks([DPO(beta=0.3)], only=["margin-only", "convex"])
    ... def test_loss(check):
    ...     check()
    >>> [param.id for param in test_loss.pytestmark[0].args[1]]
    ['DPO(beta=0.3)-margin-only', 'DPO(beta=0.3)-convex']
    """
    named = _named(losses)
    declared = {"has": _properties(has), "lacks": _properties(lacks)}
    both = set(declared["has"] or ()) & set(declared["lacks"] or ())
    if both:
        raise ValueError(f"{', '.join(sorted(both))}: declared both present and absent.")
    checks = registry.names() if only is None else _words(only)
    registry.require(checks)
    if spec is not None and not callable(spec):
        raise ValueError(f"spec is {spec!r}, expected a loss.")
    shared = {**declared, "spec": spec, "style": style, "deep": deep, "seed": seed}
    tested = (*checks, *(FROM_SPEC if spec is not None else ()))
    rows = [
        LazyEvidence(f"{name}-{check}", functools.partial(_report, loss, check, shared)) for name, loss in named.items() for check in tested
    ]
    if not rows:
        raise ValueError("there is nothing to test: no losses, or no checks.")
    return parametrized("check", rows)


def _report(loss: Loss, name: str, shared: Mapping[str, Any]) -> Report:
    """A report of one row: the check of this name on this loss."""
    from dpo_theory.checks.runner import check_loss
    from dpo_theory.evidence import Evidence, Verdict

    if name not in FROM_SPEC:
        check = registry.load(name)
        if check.slow and not shared["deep"]:
            statement = check.statement.strip()
            said = (name, statement.splitlines()[0].rstrip("."), check.kind, statement, "", None, None)
            slow = Evidence(*said, Verdict.SKIPPED, False, reason="slow: pass deep=True to parametrize_with_checks")
            from dpo_theory.evidence import Report

            return Report(getattr(loss, "__name__", repr(loss)), (slow,))
    return _only(check_loss(loss, only=[name] if name not in FROM_SPEC else [], **shared), name)


def _only(report: Report, name: str) -> Report:
    rows = tuple(row for row in report.rows if row.id == name)
    return dataclasses.replace(report, rows=rows, of=1)


def _named(losses: Any) -> dict[str, Loss]:
    """name -> loss, names unlike each other and the same in every process."""
    if isinstance(losses, set | frozenset):
        raise ValueError("losses is a set, whose order differs between processes. Pass a list, or a dict name -> loss.")
    if isinstance(losses, Mapping):
        named = {str(name): loss for name, loss in losses.items()}
    else:
        given = [losses] if callable(losses) else list(losses)
        names, seen = [label(loss) for loss in given], Counter[str]()
        named = {}
        for name, loss in zip(names, given, strict=True):
            seen[name] += 1
            named[name if names.count(name) == 1 else f"{name}#{seen[name]}"] = loss
    for name, loss in named.items():
        if not callable(loss) or isinstance(loss, type):
            what = "a class: construct it" if isinstance(loss, type) else "not callable"
            raise ValueError(f"{name} in losses is {what}. Pass a function, a callable object or an nn.Module.")
    return named


def _properties(names: Iterable[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    found = _words(names)
    registry.require(found, "property")
    return found


def _words(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(sorted(names) if isinstance(names, set | frozenset) else names))
