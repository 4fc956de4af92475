import re
import subprocess
import sys

import pytest

from dpo_theory.claims import registry


def test_ids_come_in_the_order_of_the_paper():
    ids = registry.ids()
    assert ids[0] == "D01"
    assert list(ids) == sorted(ids, key=lambda i: ("DEC".index(i[0]), int(re.search(r"\d+", i)[0]), i))
    assert all(re.fullmatch(r"[DEC]\d+[a-z]?", id) for id in ids)


def test_listing_imports_no_claim():
    code = (
        "import sys; from dpo_theory.claims import registry; registry.ids(); registry.aliases();"
        "print([m for m in sys.modules if m.startswith(('dpo_theory.claims.d', 'sympy', 'torch', 'scipy'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_aliases_read_from_the_sources_are_those_of_the_records():
    for alias, id in registry.aliases().items():
        assert alias in [name.lower() for name in registry.load(id).aliases]
    for id in registry.ids():
        for alias in registry.load(id).aliases:
            assert registry.aliases()[alias.lower()] == id


def test_no_alias_is_an_id_or_stands_twice():
    named = [alias.lower() for id in registry.ids() for alias in registry.load(id).aliases]
    assert len(named) == len(set(named))
    assert not set(named) & {id.lower() for id in registry.ids()}


def test_names_resolve_once_and_in_the_order_given():
    assert registry.resolve(["d10", "eq4", "D04", "EQ4"]) == ("D10", "D04")
    assert registry.resolve([]) == ()


@pytest.mark.parametrize(("name", "near"), [("D04x", "D04"), ("eq44", "eq4"), ("optimal-polcy", "optimal-policy")])
def test_a_misspelt_name_is_answered_with_the_nearest(name, near):
    with pytest.raises(registry.UnknownClaim, match=re.escape(near)) as error:
        registry.resolve([name])
    assert repr(name) in str(error.value)


def test_a_name_like_no_other_is_answered_with_the_list():
    with pytest.raises(registry.UnknownClaim, match="--list"):
        registry.resolve(["zzzzzzzz"])


def test_load_takes_ids_alone():
    assert registry.load("D04").id == "D04"
    with pytest.raises(registry.UnknownClaim, match="eq4"):
        registry.load("eq4")


def test_a_file_that_holds_another_claim_is_refused(monkeypatch):
    files = {**registry._files(), "D04": registry._files()["D07"]}
    monkeypatch.setattr(registry, "_files", lambda: files)
    with pytest.raises(ValueError, match="rename the file"):
        registry.load("D04")


def test_a_single_digit_is_padded():
    assert registry.resolve(["D4", "d4B", "E1"]) == ("D04", "D04b", "E1")
