"""`dpo-theory fit` as a user runs it."""

import json

import pytest

from dpo_theory.cli import main


def test_an_example_as_text_and_as_json(capsys):
    assert main(["fit", "--example", "baseball", "--beta", "0.5"]) == 0
    assert "1.5814" in capsys.readouterr().out
    assert main(["fit", "--example", "baseball", "--beta", "0.5", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["schema_version"]) == ("dpo-theory/fit", 1)
    assert document["distance"] <= 1e-9


def test_options_name_columns(tmp_path, capsys):
    path = tmp_path / "races.csv"
    path.write_text("race,place,who\n1,1,a\n1,2,b\n1,3,z\n2,1,b\n2,2,a\n2,3,z\n")
    columns = ["--group", "race", "--position", "place", "--item", "who"]
    assert main(["fit", str(path), *columns]) == 0
    assert "Falls behind for ever (1): z" in capsys.readouterr().out
    picture = tmp_path / "x.png"
    assert main(["fit", str(path), *columns, "--drop-undetermined", "--plot", str(picture)]) == 0
    assert "1 item: z" in capsys.readouterr().out
    assert picture.exists()


def test_wide_rankings_with_a_count(tmp_path, capsys):
    path = tmp_path / "ballots.csv"
    path.write_text("count,1st,2nd\n3,a,b\n1,b,a\n")
    assert main(["fit", str(path), "--wide", "1st,2nd", "--count", "count", "-o", str(tmp_path / "x.html")]) == 0
    assert "4 rankings" in (tmp_path / "x.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a FILE or --example"),
        (["nowhere.csv"], "not there"),
        (["--example", "chess"], "no example 'chess'"),
        (["--example", "baseball", "--beta", "-1"], "beta is -1.0"),
        (["--example", "baseball", "--beta", "nan"], "beta is nan"),
        (["--example", "baseball", "--beta", "1e-9"], "Take a larger beta"),
        (["--example", "baseball", "--beta", "1e300"], "Take a smaller beta"),
        (["--example", "baseball", "--precision", "-1"], "precision is -1.0"),
        (["--example", "baseball", "--precision", "1e-200"], "Ask for a larger standard error"),
        (["--example", "baseball", "--reference", "nosuchfile"], "neither a file nor one of uniform, counts, declining"),
        (["--example", "baseball", "--reference", ""], "neither a file nor one of"),
        (["--example", "baseball", "-o", "x.pdf"], "cannot tell a format"),
        (["--example", "baseball", "-o", "nowhere/x.txt"], "there is no folder"),
        (["--example", "baseball", "--plot", "x.abc"], "cannot tell a picture format"),
        (["--example", "baseball", "--plot", "nowhere/x.png"], "there is no folder"),
    ],
)
def test_bad_input_is_one_message_and_status_2(arguments, message, capsys):
    assert main(["fit", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1


def test_no_estimate_is_an_answer(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("chosen,rejected\na,b\n")
    assert main(["fit", str(path)]) == 0
    assert "Estimate: none" in capsys.readouterr().out


def test_wide_columns_that_are_not_there(tmp_path, capsys):
    path = tmp_path / "ballots.csv"
    path.write_text("1st,2nd\na,b\n")
    for names, message in (("1st,third", "no column 'third'"), ("", "no column ''"), ("1st", "names 1 column")):
        assert main(["fit", str(path), "--wide", names]) == 2
        assert message in capsys.readouterr().err


def test_no_estimate_is_shown_before_its_picture_is_refused(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("chosen,rejected\na,b\n")
    assert main(["fit", str(path), "--plot", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr()
    assert "Estimate: none" in said.out
    assert "no estimate to draw" in said.err


def test_a_reference_that_knows_more_items_says_so(tmp_path, capsys):
    path = tmp_path / "r.csv"
    path.write_text("item,probability\na,0.4\nb,0.2\nz,0.4\n")
    (tmp_path / "x.csv").write_text("chosen,rejected\na,b\nb,a\n")
    assert main(["fit", str(tmp_path / "x.csv"), "--reference", str(path)]) == 0
    assert "without items that were not compared: the rest, 0.6, was scaled to 1" in capsys.readouterr().out


def test_an_interruption_leaves_status_130(monkeypatch, capsys):
    from dpo_theory.fitting import fitter

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitter, "read", interrupted)
    assert main(["fit", "x.csv"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
