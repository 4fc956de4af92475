"""Every bad row is refused with its line, and good rows are counted."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_theory.fitting import sources
from dpo_theory.fitting.columns import Columns
from dpo_theory.fitting.read import read

BAD = {
    "empty": ("x.csv", "", "x.csv is empty"),
    "empty lines": ("x.jsonl", "", "x.jsonl is empty"),
    "header only": ("x.csv", "chosen,rejected\n", "no rows"),
    "unknown columns": ("x.csv", "a,b\n1,2\n", "has the columns a, b"),
    "repeated column": ("x.csv", "chosen,chosen\n1,2\n", "two columns named 'chosen'"),
    "self": ("x.csv", "chosen,rejected\na,b\nc,c\n", "line 3: 'c' is compared with itself"),
    "one item": ("x.csv", "left,right,winner\na,a,tie\n", "line 2: 'a' is compared with itself"),
    "cut row": ("x.csv", "chosen,rejected\na,b\nb", "line 3: 1 fields, expected 2.*cut short"),
    "ragged": ("x.csv", "chosen,rejected\na,b,c\nb,a\n", "line 2: 3 fields, expected 2.*Quote"),
    "open quote": ("x.csv", 'chosen,rejected\na,"b\n', "line 2.*quote"),
    "missing": ("x.csv", "chosen,rejected\na,\n", "line 2: rejected is empty"),
    "winner": ("x.csv", "left,right,winner\na,b,left\na,b,c\n", "line 3: the winner is 'c', which is neither 'a' nor 'b'"),
    "nan weight": ("x.csv", "chosen,rejected,weight\na,b,nan\n", "line 2: weight is 'nan'"),
    "negative weight": ("x.csv", "chosen,rejected,weight\na,b,1\na,b,-1\n", "line 3: weight is -1"),
    "word weight": ("x.csv", "chosen,rejected,weight\na,b,many\n", "line 2: weight is 'many'"),
    "not json": ("x.jsonl", '{"chosen": "a", "rejected": "b"}\n{"chosen": "a"\n{}\n', "line 2: this is not JSON"),
    "cut json": ("x.jsonl", '{"chosen": "a", "rejected": "b"}\n{"chosen": "a", "rej', "line 2: this is not JSON.*cut short"),
    "json list": ("x.jsonl", "[1]\n", "line 1: a list, expected an object"),
    "json key": ("x.jsonl", '{"chosen": "a", "rejected": "b"}\n{"chosen": "a"}\n', "line 2: the object has no 'rejected'"),
    "json null": ("x.jsonl", '{"chosen": "a", "rejected": null}\n', "line 1: rejected is empty"),
    "suffix": ("x.xls", "", "suffix '.xls'"),
    "position": ("x.csv", "group,position,item\n1,1,a\n1,1,b\n", r"line 3: position 1 of '1' is taken \(see line 2\)"),
    "rank item": ("x.csv", "group,position,item\n1,1,a\n1,2,a\n", r"line 3: 'a' stands in '1' already \(see line 2\)"),
    "lone rank": ("x.csv", "group,position,item\n1,1,a\n1,2,b\n2,1,c\n", "line 4: 'c' is the only entry of '2'"),
    "zero byte": ("x.csv", "chosen,rejected\na,b\n\0,b\n", "line 3: chosen holds a zero byte"),
    "binary": ("x.csv", "\0\0\0", "holds zero bytes"),
    "semicolons": ("x.csv", "chosen;rejected\na;b\n", "looks like several between ';'"),
    "padded column": ("x.csv", "chosen, rejected\na,b\n", "has the columns chosen, ' rejected'"),
    "two readings": ("x.csv", "left,right,winner\nright,left,left\n", "line 2: the winner is 'left', which is an outcome and the name"),
    "item tie": ("x.csv", "left,right,winner\na,b,a\na,tie,tie\n", "line 3: the winner is 'tie', which is an outcome and the name"),
    "too heavy": ("x.csv", "chosen,rejected,weight\na,b,1e308\na,b,1e308\n", "add up to more than a float can hold"),
    "long text": ("x.csv", f"chosen,rejected\n{'x' * 200_000},b\n", "line 2: field larger.*JSON lines"),
    "repeated key": ("x.jsonl", '{"chosen": "a", "rejected": "b", "chosen": "c"}\n', "line 1: the key 'chosen' occurs twice"),
    "deep json": ("x.jsonl", "[" * 100_000, "line 1: the value is nested too deeply"),
    "long number": ("x.jsonl", f'{{"chosen": {"9" * 5000}, "rejected": "b"}}\n', "line 1: Exceeds the limit"),
    "json word": ("x.jsonl", "null\n", "line 1: null, expected an object"),
    "no columns": ("x.jsonl", "{}\n", "no named columns"),
    "json nan": ("x.jsonl", '{"chosen": "a", "rejected": "b", "weight": NaN}\n', "line 1: weight is empty"),
    "word position": ("x.csv", "group,position,item\n1,first,a\n1,2,b\n", "line 2: position is 'first'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_line(name, tmp_path):
    file, text, message = BAD[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / file)


def test_a_column_that_is_not_there():
    with pytest.raises(ValueError, match="no column 'x'; its columns are chosen, rejected"):
        read({"chosen": ["a"], "rejected": ["b"]}, Columns(chosen="x"))


def test_a_ranking_with_a_repeated_item():
    with pytest.raises(ValueError, match="row 2: 'a' stands in two places"):
        read({"1st": ["a", "a"], "2nd": ["b", "a"]}, Columns(wide=("1st", "2nd")))


def test_mixed_encodings_name_the_line(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"chosen,rejected\na,b\nJos\xe9,b\n")
    with pytest.raises(ValueError, match="line 3: byte 0xe9 is not UTF-8"):
        read(path)


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("x.csv", "chosen,rejected\na,b\n".encode("utf-16"), "line 1: this is UTF-16"),
        ("x.jsonl", b'{"chosen": "a", "rejected": "b"}\n{"chosen": "Jos\xe9", "rejected": "b"}\n', "line 2: byte 0xe9"),
        ("x.csv", bytes(range(256)) * 9, "holds zero bytes"),
    ],
)
def test_what_is_no_utf8_text(file, data, message, tmp_path):
    (tmp_path / file).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / file)


def test_a_folder_a_pipe_and_nothing(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    for name, message in (("", "is a folder"), ("pipe.csv", "no regular file"), ("nowhere.csv", "not there")):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)


def test_an_item_called_left_may_win_on_the_left():
    found = read({"left": ["left", "a"], "right": ["a", "left"], "winner": ["left", "a"]})
    assert found.items == ("left", "a")
    assert found.wins.weight.tolist() == [1.0, 1.0]


def test_many_rows_with_a_delimiter_in_the_last_column_are_one_note(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("chosen,rejected\n" + "a,Parker, Jr\n" * 3)
    assert read(path).notes == ("Line 2 has a delimiter inside its last column, which was read as 'Parker, Jr'. So have 2 more.",)


def test_names_that_look_alike_are_told():
    found = read({"chosen": ["a", "b"], "rejected": ["b", "A "]})
    assert len(found.items) == 3
    assert "'a' and 'A '" in found.notes[0]


def test_lines_are_counted_across_quoted_newlines_and_blank_lines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('chosen,rejected\n"a\nb",c\n\nd,d\n')
    with pytest.raises(ValueError, match="line 5: 'd' is compared with itself"):
        read(path)


def test_lines_are_right_beyond_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", 3)
    path = tmp_path / "x.csv"
    path.write_text("chosen,rejected\n" + "a,b\n" * 7 + "\nc,c\n")
    with pytest.raises(ValueError, match="line 10: 'c'"):
        read(path)


def test_what_is_odd_but_read_is_said(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("left,winner,right\na,left,Parker, Jr\n\nb,right,a\n")
    found = read(path)
    assert found.items == ("a", "Parker, Jr", "b")
    assert any("Line 2 has a delimiter" in note for note in found.notes)
    assert any("1 blank line was" in note for note in found.notes)


def test_a_byte_order_mark_and_windows_lines_are_no_part_of_a_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfchosen,rejected\r\na,b\r\nb,a\r\n")
    assert read(path).items == ("a", "b")


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)] * 2), min_size=1, max_size=20))
def test_names_survive_csv_json_and_tables(tmp_path_factory, pairs):
    pairs = [(left, right) for left, right in pairs if left != right] or [("a", "b")]
    folder = tmp_path_factory.mktemp("read")
    with (folder / "x.csv").open("w", encoding="utf-8", newline="") as file:
        import csv

        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("chosen", "rejected"), *pairs])
    lines = [json.dumps({"chosen": w, "rejected": loser}) for w, loser in pairs]
    (folder / "x.jsonl").write_text("\n".join(lines))
    chosen, rejected = zip(*pairs, strict=True)
    for source in (folder / "x.csv", folder / "x.jsonl", {"chosen": chosen, "rejected": rejected}):
        found = read(source)
        assert found.items == tuple(dict.fromkeys(name for pair in pairs for name in pair))
        counted = {
            (found.items[c], found.items[r]): w for c, r, w in zip(found.wins.chosen, found.wins.rejected, found.wins.weight, strict=True)
        }
        assert counted == {pair: pairs.count(pair) for pair in pairs}


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_tables_of_other_libraries(library):
    module = pytest.importorskip(library)
    columns = {"left": ["a", "b"], "right": ["b", "a"], "winner": ["a", "tie"], "weight": [2.0, 1.5]}
    table = module.DataFrame(columns) if library == "pandas" else module.table(columns)
    found = read(table)
    assert (found.wins.weight.tolist(), found.ties.weight.tolist()) == ([2.0], [1.5])


def test_long_and_wide_rankings_agree():
    wide = read({"p": ["x", "x"], "1": ["a", "b"], "2": ["b", "c"]}, Columns(prompt="p", wide=("1", "2")))
    long = read({"prompt": ["x"] * 4, "group": [1, 2, 1, 2], "position": [2, 1, 1, 2], "item": ["b", "b", "a", "c"]})
    for one, other in ((wide, long),):
        names = [[tuple(np.array(found.items)[row]) for row in found.rankings[0].order] for found in (one, other)]
        assert sorted(names[0]) == sorted(names[1]) == [("a", "b"), ("b", "c")]


def test_ambiguous_columns_ask():
    table = {name: ["a"] for name in ("chosen", "rejected", "left", "right", "winner")}
    with pytest.raises(ValueError, match="can be read as"):
        read(table)
