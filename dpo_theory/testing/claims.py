"""The claims of the theory as pytest tests."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dpo_theory.claims import registry
from dpo_theory.testing.lazy import LazyEvidence, parametrized

if TYPE_CHECKING:
    from dpo_theory.evidence import Report

__all__ = ["parametrize_with_claims"]


def parametrize_with_claims(ids: str | Sequence[str] | None = None, *, seed: int = 0) -> Any:
    """Decorate a test that takes `claim`: one test per claim, verified when the test runs.

    Args:
        ids: ids or aliases, one or several; None tests every claim.
        seed: the seed of all randomness.

    Returns:
        A decorator. The tests have the ids of the claims.

    Raises:
        ValueError: a name is neither an id nor an alias, or there is no claim to test.

    >>> @parametrize_with_claims(["eq4", "E1"])
    ... def test_claim(claim):
    ...     claim()
    >>> [param.id for param in test_claim.pytestmark[0].args[1]]
    ['D04', 'E1']
    """
    names = [ids] if isinstance(ids, str) else ids
    chosen = registry.ids() if names is None else registry.resolve(names)
    if not chosen:
        raise ValueError("there is nothing to test: no ids.")
    return parametrized("claim", [LazyEvidence(id, functools.partial(_report, id, seed)) for id in chosen])


def _report(id: str, seed: int) -> Report:
    from dpo_theory.claims.runner import verify

    return verify([id], seed=seed)
