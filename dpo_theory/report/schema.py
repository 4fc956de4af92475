"""One JSON Schema for everything that is printed as JSON. The field `schema` says which shape a document has."""

from __future__ import annotations

from typing import Any

from dpo_theory.evidence import SCHEMA as REPORT
from dpo_theory.evidence import SCHEMA_VERSION, Verdict

__all__ = ["BASELINE", "CHECKS", "CLAIM", "CLAIMS", "REPORT", "SCHEMA"]

BASELINE = "dpo-theory/baseline"
CHECKS = "dpo-theory/checks"
CLAIM = "dpo-theory/claim"
CLAIMS = "dpo-theory/claims"
FIT = "dpo-theory/fit"
COMPARISON = "dpo-theory/comparison"
IDENTIFICATION = "dpo-theory/identification"

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}], "description": "non-finite numbers are strings"}
_VERDICT = {"enum": [verdict.value for verdict in Verdict]}
_EXPECTED = {"enum": ["holds", "refuted"]}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "null"}]}


def _record(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _document(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return _record({"schema": {"const": name}, "schema_version": {"const": SCHEMA_VERSION}, **properties})


_COUNTEREXAMPLE = _record(dict.fromkeys(("problem", "expected", "got", "because", "reproduce"), _TEXT))

_EVIDENCE = _record(
    {
        "id": _TEXT,
        "name": _TEXT,
        "kind": _TEXT,
        "statement": _TEXT,
        "source": _TEXT,
        "declared": _or_null({"enum": ["has", "lacks"]}),
        "expected": _or_null(_EXPECTED),
        "verdict": _VERDICT,
        "failed": {"type": "boolean"},
        "method": _TEXT,
        "sizes": _TEXT,
        "residual": _or_null(_NUMBER),
        "tolerance": _or_null(_NUMBER),
        "instances": _COUNT,
        "seed": _or_null(_COUNT),
        "counterexample": _or_null({"$ref": "#/$defs/counterexample"}),
        "seconds": _NUMBER,
        "reason": _TEXT,
        "parts": {"type": "array", "items": {"$ref": "#/$defs/evidence"}},
    }
)

_FINGERPRINT = _record(
    {
        **dict.fromkeys(("loss", "variable", "formula", "link", "inverse", "pull", "weight", "reward", "derivative", "divergence"), _TEXT),
        "kind": {"enum": ["margin", "reward", "none"]},
        "aims": {
            "type": "array",
            "items": _record(
                {
                    "probability": {"type": "number"},
                    "margin": _NUMBER,
                    "radius": _or_null(_NUMBER),
                    "how": _TEXT,
                    "weight": _or_null(_NUMBER),
                }
            ),
        },
        "statements": {"type": "array", "items": _record({"name": _TEXT, "verdict": _VERDICT, "how": _TEXT})},
        "notes": _TEXTS,
    }
)

_STEP = _record({"claim": _TEXT, "text": _TEXT, "latex": _TEXT, "why": _TEXT, "hypotheses": _TEXTS, "sizes": _TEXT, "relation": _TEXT})

_ITEM = _record(
    {
        "item": _TEXT,
        "strength": _or_null({"type": "number"}),
        "standard_error": _or_null({"type": "number"}),
        "direction": {"enum": [0.0, 1.0]},
        "log_ref": {"type": "number"},
        "dpo_log_policy": _or_null({"type": "number"}),
        "rlhf_log_policy": _or_null({"type": "number"}),
        "rlhf_searched_log_policy": _or_null({"type": "number"}),
    }
)

_CONTEXT = _record(
    {
        "name": _TEXT,
        "observations": {"type": "number"},
        "identifiable_differences": _COUNT,
        "exists": {"type": "boolean"},
        "reason": _TEXT,
        "connected_components": {"type": "array", "items": _TEXTS},
        "strongly_connected_components": {"type": "array", "items": _TEXTS},
        "ahead": _TEXTS,
        "behind": _TEXTS,
        "crossings": {"type": "number"},
        "base": _TEXT,
        "distance": _or_null({"type": "number"}),
        "search_distance": _or_null({"type": "number"}),
        "log_distance": _or_null({"type": "number"}),
        "more_observations": _or_null(_COUNT),
        "items": {"type": "array", "items": _ITEM},
    }
)

_DOCUMENTS = {
    REPORT: _document(
        REPORT,
        {
            "subject": _TEXT,
            "seed": _or_null(_COUNT),
            "passed": {"type": "boolean"},
            "ran": _COUNT,
            "of": _COUNT,
            "counts": {"type": "object", "propertyNames": _VERDICT, "additionalProperties": {"type": "integer", "minimum": 1}},
            "seconds": _NUMBER,
            "environment": {"type": "object", "additionalProperties": _TEXT},
            "rows": {"type": "array", "items": {"$ref": "#/$defs/evidence"}},
            "fingerprint": _or_null({"$ref": "#/$defs/fingerprint"}),
        },
    ),
    CLAIM: _document(
        CLAIM,
        {
            "id": _TEXT,
            "aliases": _TEXTS,
            "name": _TEXT,
            "statement": _TEXT,
            "source": _TEXT,
            "assumes": _TEXTS,
            "expects": _EXPECTED,
            "unproved": _TEXT,
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
            "stopped": _TEXT,
            "report": {"$ref": f"#/$defs/{REPORT.replace('/', '-')}"},
        },
    ),
    CHECKS: _document(CHECKS, {"checks": {"type": "array", "items": _record({"id": _TEXT, "kind": _TEXT, "name": _TEXT})}}),
    BASELINE: _document(BASELINE, {"subject": _TEXT, "known": _TEXTS}),
    CLAIMS: _document(CLAIMS, {"claims": {"type": "array", "items": _record({"id": _TEXT, "aliases": _TEXTS, "name": _TEXT})}}),
    IDENTIFICATION: _document(
        IDENTIFICATION,
        {
            **dict.fromkeys(("target", "name", "loss", "convention", "how"), _TEXT),
            "options": {"type": "array", "items": {"type": "array", "prefixItems": [_TEXT, {}], "minItems": 2, "maxItems": 2}},
            **dict.fromkeys(("scale", "constant", "shift", "stretch", "residual", "seconds"), _NUMBER),
            "verdict": _VERDICT,
            "instances": _COUNT,
            "also": _TEXTS,
            "counterexample": _or_null({"$ref": "#/$defs/counterexample"}),
            "tried": _COUNT,
        },
    ),
    COMPARISON: _document(
        COMPARISON,
        {
            **dict.fromkeys(("a", "b", "convention", "formula", "how"), _TEXT),
            "relation": {"enum": ["identical", "equal up to scale", "a different convention", "different"]},
            "verdict": _VERDICT,
            "residual": _NUMBER,
            "instances": _COUNT,
            "counterexample": _or_null({"$ref": "#/$defs/counterexample"}),
            "seconds": _NUMBER,
        },
    ),
    FIT: _document(
        FIT,
        {
            "source": _TEXT,
            "kind": {"enum": ["comparisons", "rankings"]},
            "rows_read": _COUNT,
            "exists": {"type": "boolean"},
            "beta": {"type": "number"},
            "reference": _TEXT,
            "distance": _or_null({"type": "number"}),
            "ties": _record(
                {
                    "treatment": {"enum": ["drop", "half", "davidson"]},
                    "seen": {"type": "number"},
                    "dropped": {"type": "number"},
                    "nu": _or_null({"type": "number"}),
                }
            ),
            "dropped_items": {"type": "array", "items": _record({"context": _TEXT, "item": _TEXT})},
            "precision": _or_null({"type": "number"}),
            "reward_bound": _or_null({"type": "number"}),
            "policy_bound": _or_null({"type": "number"}),
            "notes": _TEXTS,
            "contexts": {"type": "array", "items": _CONTEXT},
        },
    ),
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": f"urn:dpo-theory:schema:{SCHEMA_VERSION}",
    "title": "What dpo-theory prints as JSON",
    "type": "object",
    "required": ["schema", "schema_version"],
    "properties": {"schema": {"enum": list(_DOCUMENTS)}},
    "allOf": [
        {"if": {"properties": {"schema": {"const": name}}}, "then": {"$ref": f"#/$defs/{name.replace('/', '-')}"}} for name in _DOCUMENTS
    ],
    "$defs": {
        "counterexample": _COUNTEREXAMPLE,
        "evidence": _EVIDENCE,
        "fingerprint": _FINGERPRINT,
        "step": _STEP,
        **{name.replace("/", "-"): document for name, document in _DOCUMENTS.items()},
    },
}
