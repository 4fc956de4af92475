"""A fit as text, JSON, Markdown, HTML and a picture."""

import json
import math

import pytest

from dpo_theory.fitting import fit
from dpo_theory.report.schema import SCHEMA

EXISTS = fit(example="journals", beta=0.5, precision=0.01)
NONE = fit({"prompt": ["p", "q<b>"], "chosen": ["a", "a|x"], "rejected": ["b", "b"]})


def test_text_says_what_was_found():
    told = str(EXISTS)
    for part in ("all 3 reward differences", "exists and is unique", "-2.9491", "beta = 0.5", "total variation", "more comparisons"):
        assert part in told


def test_text_says_why_there_is_none():
    told = str(NONE)
    for part in ("Estimate: none", "Rises for ever (1): a", "Falls behind for ever (1): b", "all won by the side that rises"):
        assert part in told
    assert "nan" not in told


@pytest.mark.parametrize("found", [EXISTS, NONE], ids=["exists", "none"])
def test_json_follows_the_schema(found):
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(found.to_json())
    jsonschema.validate(document, SCHEMA)
    assert document["exists"] is found.exists
    row = document["contexts"][0]["items"][0]
    assert (row["strength"] is None) == math.isnan(found.strengths[0])


def test_the_schema_notices_a_missing_field():
    jsonschema = pytest.importorskip("jsonschema")
    document = EXISTS.to_dict()
    del document["contexts"][0]["reason"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_names_are_escaped():
    assert "q<b>" not in NONE._repr_html_()
    assert "q&lt;b&gt;" in NONE.to_html()
    assert "q\\<b\\>" in NONE.to_markdown()


def test_long_and_unprintable_names_stay_on_one_line():
    long, escape = "word " * 100, "\x1b[31m"
    told = str(fit({"chosen": [long, escape, "x\ny"], "rejected": [escape, "x\ny", long]}))
    assert "\x1b" not in told
    assert "'x\\ny'" in told
    assert max(map(len, told.splitlines())) < 200
    assert fit({"chosen": [long, "b"], "rejected": ["b", long]}).to_dict()["contexts"][0]["items"][0]["item"] == long


def test_a_picture_is_drawn_or_refused(tmp_path):
    EXISTS.plot(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="picture format"):
        EXISTS.plot(tmp_path / "x.doc")
    with pytest.raises(ValueError, match="no estimate to draw"):
        NONE.plot(tmp_path / "x.png")
