"""`gazeworld data` as a person meets it: rendering, stopping, going on, packing, one sentence for every mistake."""

import io
import json
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import tyro
from fakes.renderer import Painter, broken, files, items
from PIL import Image
from rich.console import Console

from gazeworld.envs.files import DataError
from gazeworld.envs.object_datasets import pack_tree
from gazeworld.envs.objects import renderer, rotations
from gazeworld.scenarios.commands import _data_bar, data
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.data import PackArguments, RenderArguments

SMALL: dict[str, Any] = {"size": 16, "views": 3, "renderer": "painter"}


class Desk:
    """A terminal that remembers what was printed, with the painter in place of the renderers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out, self.things = io.StringIO(), items()
        self.console = Console(file=self.out, width=400)
        monkeypatch.setattr(renderer, "make_renderer", lambda name, size, **options: Painter(size, **options))
        monkeypatch.setattr(data, "collection", lambda arguments: self.things)

    def render(self, out: Path, **options: Any) -> int:
        return data.render(RenderArguments(out=out, **{**SMALL, **options}), self.console)

    @property
    def said(self) -> str:
        return self.out.getvalue()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_rendering_says_what_was_done_and_leaves_a_contact_sheet(desk: Desk, tmp_path: Path) -> None:
    assert desk.render(tmp_path / "set") == 0
    assert "12 objects; renderer: painter 1" in desk.said
    assert "12 objects drawn: 36 views in" in desk.said
    assert "views/s" in desk.said
    with Image.open(tmp_path / "set/contact_sheet.png") as image:
        assert image.height > 2 * 64
    assert desk.render(tmp_path / "set") == 0
    assert "12 were there already" in desk.said


def test_arguments_reach_the_set(desk: Desk, tmp_path: Path) -> None:
    options = {"region": "held-out", "centre": (0.1, 0.2, 0.3), "radius": 0.5, "seed": 3, "quality": 80, "samples": 2}
    assert desk.render(tmp_path / "set", classes=("table",), limit=2, sheet=False, **options) == 0
    made = json.loads((tmp_path / "set/render.json").read_text())["settings"]
    assert made["region"] == {"name": "held-out", "centre": [0.1, 0.2, 0.3], "radius": 0.5}
    assert [made[name] for name in ("size", "views", "seed", "quality", "samples")] == [16, 3, 3, 80, 2]
    assert {path.name for path in (tmp_path / "set").iterdir() if path.is_dir() and path.name[0] != "."} == {"table"}
    assert len(list((tmp_path / "set/table").iterdir())) == 2
    assert not (tmp_path / "set/contact_sheet.png").exists()


def test_shards_add_up(desk: Desk, tmp_path: Path) -> None:
    desk.render(tmp_path / "whole")
    for i in range(4):
        assert desk.render(tmp_path / "set", shard=f"{i}/4") == 0
    assert files(tmp_path / "set") == files(tmp_path / "whole")


def test_a_shard_with_nothing_to_do_is_done(desk: Desk, tmp_path: Path) -> None:
    assert desk.render(tmp_path / "set", shard="15/20") == 0
    assert "0 objects drawn" in desk.said
    assert desk.render(tmp_path / "set", shard="3/20") == 0
    assert len(list((tmp_path / "set").glob("*/*/image_0.jpg"))) == 1


def test_failures_are_named_and_counted(desk: Desk, tmp_path: Path) -> None:
    desk.things = [*items(1), *(broken(f"chair/bad{i:02d}", DataError(f"[red]{i}.obj: empty")) for i in range(12))]
    assert desk.render(tmp_path / "set") == 0
    assert "12 objects could not be drawn" in desk.said
    assert "chair/bad00: [red]0.obj: empty" in desk.said
    assert f"… 2 more, all named in {tmp_path / 'set/report.json'}" in desk.said
    assert len(json.loads((tmp_path / "set/report.json").read_text())["failed"]) == 12
    desk.things = desk.things[2:]
    assert desk.render(tmp_path / "none") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_between_two_objects_and_the_command_printed_goes_on(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    out, draw = tmp_path / "my set", Painter._draw

    def interrupted(self: Painter, *arguments: Any) -> np.ndarray:
        if self.calls == 4:
            signal.raise_signal(number)
        return draw(self, *arguments)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Painter, "_draw", interrupted)
        assert desk.render(out, seed=5, classes=("table", "chair")) == data.STOPPED
    assert signal.getsignal(number) == before
    line = next(line for line in desk.said.splitlines() if line.startswith("stopped after "))
    kept = int(line.split()[2])
    assert 4 < kept < 12
    assert len(list(out.glob("*/*/image_0.jpg"))) == len(list(out.glob("*/*/latent_2.npy"))) == kept
    words = shlex.split(line.split("to go on: ")[1])
    assert words[:3] == ["gazeworld", "data", "render"]
    again = tyro.cli(RenderArguments, args=words[3:])
    assert again == RenderArguments(out=out, seed=5, classes=("table", "chair"), **SMALL)
    assert data.render(again, desk.console) == 0
    assert desk.render(tmp_path / "undisturbed", seed=5) == 0
    assert files(out) == files(tmp_path / "undisturbed")


def test_a_second_ctrl_c_ends_at_once(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Painter, *arguments: Any) -> np.ndarray:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("drawn nevertheless")

    monkeypatch.setattr(Painter, "_draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        desk.render(tmp_path / "set")
    assert [path for path in files(tmp_path / "set") if "/" in path] == []


def test_away_from_the_main_thread_no_signal_is_touched(desk: Desk, tmp_path: Path) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(desk.render(tmp_path / "set")))
    thread.start()
    thread.join()
    assert codes == [0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shard": "4"}, "shard is '4', expected a form like 0/4"),
        ({"shard": "a/4"}, "shard is 'a/4'"),
        ({"shard": "4/4"}, "shard is 4/4"),
        ({"limit": -1}, "limit is -1"),
        ({"classes": ("boat",)}, "no class 'boat'; there are: chair, table"),
        ({"views": 0}, "views is 0"),
        ({"radius": 9.0}, r"radius is 9\.0, expected a finite number of more than 0"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    desk: Desk, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        desk.render(tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_the_regions_offered_are_those_there_are() -> None:
    assert get_args(get_type_hints(RenderArguments)["region"]) == rotations.REGIONS
    usual = RenderArguments(out=Path())
    assert rotations.Region(usual.region, usual.centre, usual.radius) == rotations.Region()


def test_a_terminal_sees_a_bar_and_a_file_sees_lines(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_data_bar, "_QUIET", 0.0)
    desk.render(tmp_path / "set")
    assert "7 of 12 objects, " in desk.said
    screen = io.StringIO()
    desk.console = Console(file=screen, width=120, force_terminal=True)
    desk.render(tmp_path / "another")
    assert "12/12" in screen.getvalue()
    assert "left" in screen.getvalue()


def test_packing_what_was_rendered(desk: Desk, tmp_path: Path) -> None:
    desk.render(tmp_path / "set")
    arguments = PackArguments(tmp_path / "set", tmp_path / "store", size=8, check=True)
    assert data.pack(arguments, desk.console) == 0
    assert "12 objects × 3 views at 8 px, 0.00 GB, checksums compared" in desk.said
    assert np.load(tmp_path / "store/views.npy").shape == (12, 3, 8, 8, 3)
    words = shlex.split(data.command_of("pack", arguments, "root"))
    assert tyro.cli(PackArguments, args=words[3:]) == arguments


def test_packing_stops_and_goes_on(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.render(tmp_path / "set")
    arguments = PackArguments(tmp_path / "set", tmp_path / "store", size=8)
    pack = pack_tree.pack

    def interrupted(*positional: Any, progress: Any, **options: Any) -> Path:
        def told(done: int, total: int) -> None:
            if done == 5:
                signal.raise_signal(signal.SIGINT)
            progress(done, total)

        return pack(*positional, progress=told, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pack_tree, "pack", interrupted)
        assert data.pack(arguments, desk.console) == data.STOPPED
    assert f"to go on: gazeworld data pack {tmp_path / 'set'} --out {tmp_path / 'store'} --size 8" in desk.said
    assert not (tmp_path / "store/views.npy").exists()
    assert data.pack(arguments, desk.console) == 0


def test_help_imports_no_torch() -> None:
    code = (
        "import sys, tyro\nfrom gazeworld.scenarios.commands import data as d\n"
        "for kind in (d.RenderArguments, d.PackArguments):\n"
        "    try:\n        tyro.cli(kind, args=['--help'])\n"
        "    except SystemExit as stop:\n        assert not stop.code\n"
        "assert 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "held-out" in found.stdout


def test_sources_are_furniture_solids_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source 'sofas': expected furniture, solids or a folder"):
        data.collection(RenderArguments(out=tmp_path, source="sofas"))
    with pytest.raises(ValueError, match=str(tmp_path)):
        data.collection(RenderArguments(out=tmp_path, source=str(tmp_path)))
    solids = data.collection(RenderArguments(out=tmp_path, source="solids", limit=2))
    per_class = {name: sum(item.category == name for item in solids) for name in {item.category for item in solids}}
    assert set(per_class.values()) == {2}
    assert len(per_class) >= 8


def test_solids_and_meshes_are_drawn_for_real(tmp_path: Path) -> None:
    """Embree needs no driver, so this runs everywhere."""
    console = Console(file=io.StringIO())
    options: dict[str, Any] = {"size": 32, "views": 2, "samples": 1, "renderer": "embree", "limit": 1}
    chosen = RenderArguments(out=tmp_path / "set", source="solids", classes=("chair", "table"), **options)
    assert data.render(chosen, console) == 0
    first = files(tmp_path / "set")
    with Image.open(tmp_path / "set/contact_sheet.png") as image:
        assert np.asarray(image).std() > 10
    assert data.render(RenderArguments(**{**vars(chosen), "out": tmp_path / "again"}), console) == 0
    assert files(tmp_path / "again") == first
    meshes = tmp_path / "meshes/box"
    meshes.mkdir(parents=True)
    corners = [f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    (meshes / "one.obj").write_text(
        "".join(corners) + "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
    )
    (meshes / "empty.obj").write_text("v 0 0 0\n")
    boxes = RenderArguments(out=tmp_path / "boxes", source=str(tmp_path / "meshes"), **{**options, "limit": 0})
    assert data.render(boxes, console) == 0
    report = json.loads((tmp_path / "boxes/report.json").read_text())
    assert (report["objects"], [failure["object"] for failure in report["failed"]]) == (1, ["box/empty"])
    assert "empty.obj" in report["failed"][0]["reason"]


def test_a_set_is_downloaded_when_somebody_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def download(name: str, root: str, *, agree: Any, tell: Any) -> Path | None:
        asked.append({"name": name, "root": root})
        if not agree(f"{name}: small pictures; 1.0 MB to {root}"):
            return None
        tell("part", 10**6, 10**6)
        return Path(root)

    monkeypatch.setattr("gazeworld.envs.downloads.download", download)
    words = ["data", "download", "cifar100", "--root", str(tmp_path)]
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "cifar100: small pictures; 1.0 MB to" in out
    assert f"to fetch it: gazeworld data download cifar100 --root {tmp_path} --yes" in out
    assert main([*words, "--yes"]) == 0
    assert f"there: {tmp_path}" in capsys.readouterr().out
    assert asked == [{"name": "cifar100", "root": str(tmp_path)}] * 2
    with pytest.raises(SystemExit, match="2"):
        main(["data", "download", "stl11"])
    assert "invalid choice 'stl11'" in capsys.readouterr().err
