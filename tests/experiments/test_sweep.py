"""The engine: the same records however they are made, and nothing lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bandits.experiments import Minimises, forecast, read_records, sweep
from bandits.experiments.engine.records import Records, plain, unplain
from dpo_theory import CDPO, DPO, IPO
from tests.experiments.toy import TOY

ROOT = Path(__file__).parents[2]
KILLS = 10


def lines(folder: Path) -> list[str]:
    header, *records = (folder / "toy.jsonl").read_text(encoding="utf-8").splitlines()
    return [header, *sorted(records)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    sweep(TOY.plan(pause=0.005), directory=folder)
    return folder


def test_ten_kills_lose_nothing(tmp_path, whole):
    moment = random.Random(0)
    command = [sys.executable, "-m", "tests.experiments.toy", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    sizes = []
    for kill in range(KILLS):
        jobs = "2" if kill % 4 == 3 else "1"
        running = subprocess.Popen([*command, jobs], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        _wait_for_growth(tmp_path / "toy.jsonl", running)
        time.sleep(moment.uniform(0, 0.03))
        running.send_signal(signal.SIGKILL)
        running.wait()
        sizes.append((tmp_path / "toy.jsonl").stat().st_size)
    assert sizes == sorted(sizes), "a resumed sweep never shortens what is done"
    assert sizes[0] < (whole / "toy.jsonl").stat().st_size, "the first kill came in the middle"
    subprocess.run([*command, "1"], cwd=ROOT, env=environment, check=True)
    assert lines(tmp_path) == lines(whole)


def _wait_for_growth(path: Path, running: subprocess.Popen) -> None:
    before = path.stat().st_size if path.exists() else 0
    while running.poll() is None and not (path.exists() and path.stat().st_size > before):
        time.sleep(0.001)


def test_several_processes_write_the_same_records(tmp_path, whole):
    several = sweep(TOY.plan(pause=0.005), directory=tmp_path, jobs=2)
    assert lines(tmp_path) == lines(whole)
    assert several.rows == sweep(TOY.plan(pause=0.005)).rows == read_records(whole / "toy.jsonl").rows


def test_a_cluster_writes_the_same_records(tmp_path, whole):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True) as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("bandits.experiments.engine.sweep._AHEAD", 2)
        found = sweep(TOY.plan(pause=0.005), directory=tmp_path, dask=cluster.scheduler_address)
        with pytest.raises(ValueError, match="cannot be measured"):
            sweep(TOY.plan(fails=True), dask=cluster.scheduler_address)
    assert lines(tmp_path) == lines(whole)
    assert len(found) == 80


def test_a_cluster_that_is_not_there_is_said_to_be_so(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("bandits.experiments.engine.sweep._PATIENCE", "0.2s")
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        sweep(TOY.plan(), dask="tcp://127.0.0.1:9")


def test_a_file_cut_off_anywhere_is_completed(tmp_path, whole):
    content = (whole / "toy.jsonl").read_bytes()
    header = content.index(b"\n") + 1
    places = [0, 1, header - 1, header, header + 1, *random.Random(1).sample(range(header, len(content)), 12), len(content) - 1]
    for place in places:
        (tmp_path / "toy.jsonl").write_bytes(content[:place])
        found = sweep(TOY.plan(pause=0.005), directory=tmp_path)
        assert (tmp_path / "toy.jsonl").read_bytes() == content
        assert len(found) == 80


def test_a_last_line_of_rubbish_is_removed(tmp_path, whole):
    content = (whole / "toy.jsonl").read_bytes()
    for rubbish in (b'{"block": 39, "rec', b"\x00" * 30, b"\x00\x00\n", b'{"block": 39}\n'):
        (tmp_path / "toy.jsonl").write_bytes(content + rubbish)
        assert sweep(TOY.plan(pause=0.005), directory=tmp_path).rows == read_records(whole / "toy.jsonl").rows
        assert (tmp_path / "toy.jsonl").read_bytes() == content


def test_a_damaged_middle_line_is_reported_with_its_number_and_left_alone(tmp_path, whole):
    rows = (whole / "toy.jsonl").read_bytes().split(b"\n")
    swapped = [*rows[:5], rows[6], rows[5], *rows[7:]]
    for number, damaged in ((17, [*rows[:16], rows[16][:20], *rows[17:]]), (6, swapped), (12, rows[:11] + rows[12:])):
        content = b"\n".join(damaged)
        (tmp_path / "toy.jsonl").write_bytes(content)
        with pytest.raises(ValueError, match=f"line {number} of .*toy.jsonl is damaged.*head -n {number - 1}"):
            sweep(TOY.plan(pause=0.005), directory=tmp_path)
        assert (tmp_path / "toy.jsonl").read_bytes() == content


def test_another_plan_in_the_same_directory_is_refused(tmp_path):
    sweep(TOY.plan(seeds=2), directory=tmp_path)
    before = (tmp_path / "toy.jsonl").read_bytes()
    for plan, message in (
        (TOY.plan(seeds=4), "seeds is 2 there and 4 here"),
        (TOY.plan(seeds=2, root=1), "root is 0 there and 1 here"),
        (TOY.plan(seeds=2, scale=(1.0, 3.0)), "axes scale is"),
        (TOY.plan(seeds=2, methods={"mine": len}), "methods mine is None there and"),
    ):
        with pytest.raises(ValueError, match=message):
            sweep(plan, directory=tmp_path)
    assert (tmp_path / "toy.jsonl").read_bytes() == before


def test_a_method_s_options_are_part_of_the_plan():
    methods = (
        Minimises(DPO),
        Minimises(IPO),
        Minimises(partial(CDPO, epsilon=0.1)),
        Minimises(partial(CDPO, epsilon=0.2)),
        lambda *asked: None,
    )
    prints = [TOY.plan(methods={"it": method}).header["fingerprint"] for method in methods]
    assert len(set(prints)) == len(methods)
    assert "0x" not in json.dumps(TOY.plan(methods={"it": methods[-1]}).header["methods"])


def test_a_file_that_is_no_sweep_s_is_left_alone(tmp_path):
    path = tmp_path / "toy.jsonl"
    for content, message in (
        ("dear diary\n", "line 1 of .* is not the header"),
        (json.dumps({**TOY.plan().header, "schema_version": 99}) + "\n", "has schema version 99, expected 1"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            sweep(TOY.plan(), directory=tmp_path)
        assert path.read_text() == content


def test_two_sweeps_do_not_write_one_file(tmp_path):
    from bandits.experiments.engine.journal import Journal

    with Journal(tmp_path, TOY.plan().header), pytest.raises(ValueError, match="another sweep is writing"):
        sweep(TOY.plan(), directory=tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said_to_be_so(tmp_path):
    (tmp_path / "toy.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"cannot write .*toy.jsonl: No space left on device. Blocks already written are kept"):
        sweep(TOY.plan(), directory=tmp_path)


def test_a_disk_that_fills_up_keeps_whole_blocks(tmp_path, whole, monkeypatch):
    write, room = os.write, [5000]

    def short(handle, data):
        done = write(handle, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr("bandits.experiments.engine.journal.os.write", short)
    with pytest.raises(OSError, match="No space left"):
        sweep(TOY.plan(pause=0.005), directory=tmp_path)
    monkeypatch.undo()
    kept = (tmp_path / "toy.jsonl").read_bytes()
    assert (whole / "toy.jsonl").read_bytes().startswith(kept)
    assert 0 < len(read_records(tmp_path / "toy.jsonl")) < 80
    sweep(TOY.plan(pause=0.005), directory=tmp_path)
    assert (tmp_path / "toy.jsonl").read_bytes() == (whole / "toy.jsonl").read_bytes()


def test_a_directory_that_cannot_be_made_is_said_to_be_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot make the folder .*file: File exists. Use another"):
        sweep(TOY.plan(), directory=tmp_path / "file")


def test_what_fails_in_a_block_is_raised_and_what_was_done_is_kept(tmp_path):
    def breaks(done, of, kept):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(TOY.plan(), directory=tmp_path, on_block=breaks)
    assert read_records(tmp_path / "toy.jsonl").header["blocks_done"] == 5
    seen = []
    sweep(TOY.plan(), directory=tmp_path, on_block=lambda *numbers: seen.append(numbers))
    assert seen[0] == (5, 40, 5)
    assert seen[-1] == (40, 40, 5)
    with pytest.raises(ValueError, match="block 0 cannot be measured"):
        sweep(TOY.plan(fails=True))


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True])
def test_jobs_are_counted(jobs):
    with pytest.raises(ValueError, match="expected a whole number >= 1"):
        sweep(TOY.plan(), jobs=jobs)


def test_streams_are_a_seed_s_own():
    one, other = TOY.plan(seeds=4, block=2), TOY.plan(seeds=4, block=4)
    assert sweep(one).rows == sweep(other).rows
    task = one.task(0)
    first = [task.stream(seed, name).random() for seed in (0, 1) for name in ("x", "y")]
    assert len(set(first)) == 4
    spawned = np.random.SeedSequence(0).spawn(2)[1]
    assert task.stream(1, "x").bit_generator.seed_seq.spawn_key[:1] == spawned.spawn_key


def test_records_give_numbers_and_say_what_is_missing():
    records = sweep(TOY.plan(seeds=4))
    assert records.column("x").shape == (8,)
    odd = records.where(scale=1.0).column("odd")
    assert np.isnan(odd[[0, 3]]).all()
    assert odd[1] == -odd[2] == np.inf
    assert records.means("x", "scale")[1].mean == pytest.approx(10 * records.means("x", "scale")[0].mean)
    assert records.values("pair") == ((0, 0.5), (1, 0.5), (2, 0.5), (3, 0.5))
    assert records.to_csv().splitlines()[0] == "seed,scale,x,odd,pair"
    with pytest.raises(ValueError, match="have no field 'y'; they have seed"):
        records.column("y")
    with pytest.raises(ValueError, match="a record holds"):
        plain({"x": object()})
    for value in (1, 2.5, "a", None, [1.0, None]):
        assert unplain(plain(value)) == value
    assert len(Records({}, ())) == 0


def test_a_forecast_counts_problems_time_and_memory():
    found = forecast(TOY.plan(pause=0.002), jobs=2)
    assert (found.problems, found.blocks, found.records) == (80, 40, 80)
    assert 0.04 <= found.seconds < 1
    assert found.megabytes > 0
    assert "80 problems in 40 blocks; about " in str(found)
