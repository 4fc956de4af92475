"""The checks on trial: wrong losses that must be refuted, right ones that must not, and the matrix of who notices what."""

from typing import Any

__all__ = ["Audit", "audit"]


def __getattr__(name: str) -> Any:
    if name == "audit":
        from dpo_theory.audit.run import audit

        return audit
    if name == "Audit":
        from dpo_theory.audit.matrix import Audit

        return Audit
    raise AttributeError(f"module 'dpo_theory.audit' has no attribute {name!r}")
