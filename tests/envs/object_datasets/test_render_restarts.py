"""The studio again: restarts and shards change nothing, and nothing half-written is left in sight."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import renderer
from fakes.renderer import broken, files, items, render
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.mesh_files import walk
from gazeworld.envs.object_datasets import tree_records, tree_summary
from gazeworld.envs.object_datasets.render_tree import StudioConfig
from gazeworld.envs.objects import splits

N = 12  # objects of items()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("done") / "set"
    assert render(out).drawn == N
    return files(out)


def test_shards_together_are_the_whole(done: dict[str, bytes], tmp_path: Path) -> None:
    for i in (2, 0, 1):
        report = render(tmp_path / "set", StudioConfig(size=16, views=5, shard=(i, 3)))
        assert (report.total, report.drawn) == (4, 4)
    assert files(tmp_path / "set") == done


@pytest.mark.parametrize(("where", "at"), [("draw", 7), ("write", 37)])
def test_a_kill_and_a_restart_give_the_same_bytes(done: dict[str, bytes], tmp_path: Path, where: str, at: int) -> None:
    out = tmp_path / "set"
    paths = os.pathsep.join(str(path) for path in (Path(renderer.__file__).parent.parent, *sys.path))
    script = [sys.executable, renderer.__file__, str(out), where, str(at)]
    process = subprocess.run(script, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False)
    assert process.returncode == -9, process.stderr
    there = files(out)
    assert all(done[name] == data for name, data in there.items() if name != "render.json")
    whole = sum(name.endswith("image_0.jpg") for name in there)
    assert len(there) == 1 + 10 * whole
    assert whole < 7 if where == "draw" else whole == (at - 1) // 10
    assert bool(list(out.rglob("*.draft"))) or where == "draw"
    report = render(out)
    assert (report.kept, report.drawn) == (whole, N - whole)
    assert files(out) == done


def test_what_a_kill_leaves_under_temporary_names_is_no_part_of_the_set_and_goes(
    done: dict[str, bytes], tmp_path: Path
) -> None:
    left = [tmp_path / f"set/chair/.{name}" for name in ("00.abc.draft", "01.abc.old", "02.abc.part")]
    render(tmp_path / "set", things=items(1))
    for folder in left:
        folder.mkdir()
        (folder / "image_0.jpg").write_bytes(b"half")
        os.utime(folder, (time.time() - 3600,) * 2)
    busy = tmp_path / "set/table/.09.abc.draft"  # another shard may be at it
    busy.mkdir()
    render(tmp_path / "set")
    assert not any(folder.exists() for folder in left)
    assert busy.exists()
    assert files(tmp_path / "set") == done


DAMAGES = {
    "truncated image": lambda folder: (folder / "image_3.jpg").write_bytes((folder / "image_3.jpg").read_bytes()[:-40]),
    "empty image": lambda folder: (folder / "image_0.jpg").write_bytes(b""),
    "flipped bit": lambda folder: (folder / "image_1.jpg").write_bytes(
        (folder / "image_1.jpg").read_bytes()[:-9] + b"\x01" * 9
    ),
    "missing image": lambda folder: (folder / "image_4.jpg").unlink(),
    "missing latent": lambda folder: (folder / "latent_0.npy").unlink(),
    "short latent": lambda folder: np.save(folder / "latent_2.npy", np.zeros(6, np.float32)),
    "no record": lambda folder: (folder.parents[1] / ".records/chair/02.json").unlink(),
    "cut record": lambda folder: (folder.parents[1] / ".records/chair/02.json").write_text('{"key": "chair/0'),
    "a file in its place": lambda folder: (shutil.rmtree(folder), folder.write_text("not a folder")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_is_drawn_again_and_only_that(done: dict[str, bytes], tmp_path: Path, damage: str) -> None:
    render(tmp_path / "set")
    DAMAGES[damage](tmp_path / "set/chair/02")
    report = render(tmp_path / "set")
    assert (report.drawn, report.kept, report.failures) == (1, N - 1, ())
    assert files(tmp_path / "set") == done


def test_what_another_shard_finishes_meanwhile_is_listed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, write, meanwhile = tmp_path / "set", tree_summary._write, ["chair/00", "table/05"]

    def slowly(*arguments: Any) -> None:
        if meanwhile:
            record = tree_records.Record(meanwhile.pop(), views=5)
            tree_records.save(out, record, np.zeros((5, 8, 8, 3), np.uint8), np.zeros((5, 7), np.float32), 95)
        write(*arguments)

    monkeypatch.setattr(tree_summary, "_write", slowly)
    render(out, StudioConfig(size=16, views=5, shard=(1, 2)))
    split = json.loads((out / "split.json").read_text())
    assert {"chair/00", "chair/01", "table/05"} <= {*split["train"], *split["test"]}


def test_stopping_between_objects_and_going_on(done: dict[str, bytes], tmp_path: Path) -> None:
    report = render(tmp_path / "set", progress=lambda report: False)
    assert 1 <= report.done < N
    assert not report.finished
    listed = json.loads((tmp_path / "set/report.json").read_text())
    assert (listed["objects"], listed["to do"]) == (report.done, N - report.done)
    split = json.loads((tmp_path / "set/split.json").read_text())
    assert set(split["test"]) == splits.tested(i.key for i in items()) & {*split["train"], *split["test"]}
    again = render(tmp_path / "set")
    assert (again.kept, again.drawn, again.finished) == (report.done, N - report.done, True)
    assert files(tmp_path / "set") == done


def test_an_object_that_was_damaged_and_now_fails_is_gone(tmp_path: Path) -> None:
    render(tmp_path / "set")
    (tmp_path / "set/chair/02/image_1.jpg").write_bytes(b"half")
    things = [broken(i.key, DataError("bad")) if i.key == "chair/02" else i for i in items()]
    assert len(render(tmp_path / "set", things=things).failures) == 1
    assert not (tmp_path / "set/chair/02").exists()
    assert "/chair/02/" not in np.load(tmp_path / "set/train_images.npy").tolist()


def test_an_object_that_somebody_took_away_is_not_listed(tmp_path: Path) -> None:
    render(tmp_path / "set")
    shutil.rmtree(tmp_path / "set/chair/02")
    render(tmp_path / "set", things=items()[6:])
    assert "/chair/02/" not in np.load(tmp_path / "set/train_images.npy").tolist()
    assert json.loads((tmp_path / "set/report.json").read_text())["objects"] == N - 1


def test_of_two_runs_at_once_the_last_one_stays(tmp_path: Path) -> None:
    record = tree_records.Record("chair/00", views=2, config="x")
    numbers = np.zeros((2, 7), np.float32)
    for value in (0, 200):
        tree_records.save(tmp_path, record, np.full((2, 8, 8, 3), value, np.uint8), numbers, 95)
        assert tree_records.whole(tmp_path, "chair/00", 2, "x")
    with Image.open(tmp_path / "chair/00/image_1.jpg") as image:
        assert np.asarray(image).min() == 200
    assert [path.name for path in (tmp_path / "chair").iterdir()] == ["00"]


def test_more_objects_can_be_added_later(done: dict[str, bytes], tmp_path: Path) -> None:
    render(tmp_path / "set", things=items()[:5])
    assert render(tmp_path / "set").kept == 5
    assert files(tmp_path / "set") == done
    render(tmp_path / "set", things=items()[:2])  # and naming fewer takes none away
    after = files(tmp_path / "set")
    assert {name for name in done if after.get(name) != done[name]} == {"report.json"}


@pytest.mark.parametrize("at", [3, 17, 40])
def test_a_full_disk_is_one_sentence_and_leaves_whole_objects_only(
    done: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    out, write, calls = tmp_path / "set", Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) >= at:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"set: No space left on device while writing; .* run the same command again"):
            render(out)
    there = files(out)
    assert all(done[name] == data for name, data in there.items() if name != "render.json")
    assert len(there) == 1 + 10 * ((at - 1) // 10)
    assert not list(out.rglob("*.draft"))
    render(out)
    assert files(out) == done


def test_records_are_refused_rather_than_trusted(tmp_path: Path) -> None:
    """A record of another configuration does not vouch for a folder."""
    render(tmp_path / "set", things=items(1))
    assert not tree_records.whole(tmp_path / "set", "chair/00", 5, "another")
    assert not tree_records.whole(tmp_path / "set", "chair/00", 4, tree_records.records(tmp_path / "set")[0].config)
    assert tree_records.whole(tmp_path / "set", "chair/00", 5, tree_records.records(tmp_path / "set")[0].config)


def test_what_another_shard_finishes_while_it_is_swept_is_no_error(
    done: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    glob = Path.glob

    def late(path: Path, pattern: str, **options: Any) -> list[Path]:  # options: Python 3.12 and 3.13 have some
        gone = [path / pattern.replace("*", "gone")] if pattern.endswith((".part", ".old", ".draft")) else []
        return [*glob(path, pattern, **options), *gone]

    monkeypatch.setattr(Path, "glob", late)
    render(tmp_path / "set")
    assert files(tmp_path / "set") == done


def test_a_model_that_trips_its_reader_is_named_and_the_others_are_drawn(tmp_path: Path) -> None:
    for name, face in (("a", "1 2 3"), ("b", "1 - 3"), ("c", "1 3 2")):
        path = tmp_path / "models" / "chair" / f"{name}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nf {face}\n")
    report = render(tmp_path / "set", things=walk(tmp_path / "models"))
    assert report.drawn == 2
    (failure,) = report.failures
    assert failure.key == "chair/b"
    assert "b.obj: a face is '1 - 3', expected whole numbers" in failure.reason
