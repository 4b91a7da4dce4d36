"""`gazeworld report`: one page that holds everything, escaped, and needs nothing from outside."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fakes.runs import leave, probes
from matplotlib.colors import to_rgb
from PIL import Image

from gazeworld.agents.run_folder import read_config
from gazeworld.agents.runs.records import record_of
from gazeworld.agents.runs.scenario import open_run
from gazeworld.agents.runs.watching import WatchChoices, watch_run
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.reports import html_page, page_pictures
from gazeworld.scenarios.reports.figures import new

VOID = {"meta", "img", "br", "link", "source", "input", "image", "rect", "line", "polygon"}


class Page(HTMLParser):
    """What a page holds, with every tag checked to be closed in its order."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.text = ""
        self.feed(file.read_text())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [value for name in ("src", "href", "srcset") if (value := found.get(name))]
        assert tag != "img" or found["alt"], "a picture without a text for those who do not see it"
        if tag == "img":
            self.pictures[found["alt"] or ""] = base64.b64decode((found["src"] or "").partition(",")[2])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def run(folder: Path, seed: int = 0, *, observed: int = 4, probed: bool = True) -> Path:
    chosen = _catalogue.load("saccade-digits").changed(seed=seed, train={"observed": observed})
    found = probes((0.4, 0.6), {"relative position": 0.5, "absolute position": 0.25})
    return leave(folder, "saccade-digits", chosen, found if probed else None)


def test_one_run_has_its_page_in_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run(tmp_path / "one")
    (folder / "figures").mkdir()
    new(1.0, 1.0).savefig(folder / "figures/path_integration.png")
    new(1.0, 1.0).savefig(folder / "figures/training.png")
    assert main(["report", str(folder)]) == 0
    assert "written: " in capsys.readouterr().out
    page = Page(folder / "report.html")
    assert [name.split(".")[0] for name in page.pictures] == [
        "Curves over 10 optimiser steps",
        "Accuracy against the number of views",
        "path integration",
    ]
    assert page.pictures["path integration"] == (folder / "figures/path_integration.png").read_bytes()
    assert all(picture.startswith(b"\x89PNG") for picture in page.pictures.values())
    for word in ("saccade-digits", "torch", "9.9", "weight_decay", "z_AGG", "60.0", "relative position", "f00"):
        assert word in page.text
    assert page.tags.count("caption") >= 8
    assert page.tags.index("details") > page.tags.index("img"), "what made it stands last, and folded"
    lead = (
        "seq-jepa learnt digits from streams of 4 views chosen by saliency, in 10 steps. After 2 views a linear probe"
    )
    numbers = "recognises 60.0 % (40.0 % after 1) of 20 test scenes; of the untrained model 10.0 %; guessing the most"
    assert f"{lead} {numbers} frequent class 10.0 %." in page.text


def test_everything_is_escaped_and_nothing_comes_from_outside(tmp_path: Path) -> None:
    folder = run(tmp_path / "one")
    assert main(["report", str(folder)]) == 0
    page = Page(folder / "report.html")
    text = (folder / "report.html").read_text()
    assert "gazeworld train <b>&" in page.text  # the command of the run
    assert "<b>" not in text
    assert all(link == "data:," or link.startswith("data:image/") for link in page.links)
    assert not {"iframe", "object", "video"} & set(page.tags)
    assert page.tags.count("link") == page.tags.count("script") == 1  # an icon that is none, and the slider's
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_several_runs_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        for observed in (2, 4):
            run(tmp_path / f"runs/m{observed}-{seed}", seed, observed=observed)
    late = run(tmp_path / "runs/late", 7, probed=False)
    out = tmp_path / "all.html"
    assert main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    assert f"`gazeworld evaluate {late}` does it" in " ".join(capsys.readouterr().out.split())
    page = Page(out)
    assert page.tags.count("details") == 10  # of every run, and its configuration within it
    assert {
        "Accuracy of all runs against the number of views",
        "Loss and online probes of all runs over training",
    } <= set(page.pictures)
    assert any(name.startswith("Heat map of accuracy by views in training") for name in page.pictures)
    assert "5 runs; recognised after 2 views by saccade-digits, seq-jepa" in page.text
    assert "60.0 ± 0.0" in page.text
    assert f"`gazeworld evaluate {late}` does it" in page.text


def test_a_run_that_is_not_probed_has_a_page_that_says_so(tmp_path: Path) -> None:
    folder = run(tmp_path / "late", probed=False)
    (folder / "metrics.jsonl").unlink()
    assert main(["report", str(folder)]) == 0
    page = Page(folder / "report.html")
    assert "has not been probed" in page.text
    assert "seq-jepa learnt digits from streams of 4 views chosen by saliency; what it recognises has not" in page.text
    assert page.pictures == {}


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = run(tmp_path / "one"), run(tmp_path / "other", 1)
    (tmp_path / "other/probes.json").write_text("{")
    mistakes = {
        "no run was named": [],
        "config.json: no such file": [str(tmp_path / "nowhere")],
        "needs a place: name a file with --out": [str(one), str(run(tmp_path / "third", 2))],
        "not whole": [str(other)],
    }
    for sentence, words in mistakes.items():
        assert main(["report", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("*/report.html"))


def test_where_a_run_looks_can_be_scrubbed(tmp_path: Path) -> None:
    folder = run(tmp_path / "one")
    (folder / "figures").mkdir()
    new(1.0, 1.0).savefig(folder / "figures/scanpaths.png")
    chosen = open_run(folder)
    watched = watch_run(chosen, choices=WatchChoices(scenes=2, seed=3))
    text = html_page.single(html_page.Subject(folder, read_config(folder), record_of(folder), watched=watched))
    (folder / "report.html").write_text(text)
    page = Page(folder / "report.html")
    assert page.tags.count("svg") == 2
    assert "scanpaths" not in page.pictures  # the page has its own
    assert [tag for tag in page.tags if tag == "input"] == ["input"]
    for number in range(1, 6):
        assert text.count(f'data-view="{number}"') == 4  # its frame and its view, in both scenes
    assert "Fixations by saliency on scenes of the test split, seed 3" in page.text
    assert text.count("Scan path of 5 views on scene") == 2


def test_data_that_are_gone_cost_the_scan_paths_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **options: object) -> None:
        raise ValueError("data/photos: no such folder")

    folder = run(tmp_path / "one")
    (folder / "checkpoints/step-00000010").mkdir(parents=True)
    monkeypatch.setattr("gazeworld.agents.training.checkpoint.latest", lambda folder: folder)
    monkeypatch.setattr("gazeworld.agents.runs.watching.watch_run", gone)
    assert main(["report", str(folder)]) == 0
    assert "scan paths are left out: data/photos: no such folder" in capsys.readouterr().out
    page = Page(folder / "report.html")
    assert "scan paths are left out: data/photos: no such folder" in page.text
    assert main(["report", str(folder), "--paths", "0"]) == 0
    assert "left out" not in capsys.readouterr().out


def test_what_was_done_with_a_run_is_told_and_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    folder = run(tmp_path / "one")
    policy = folder / "policies/ppo-0"
    policy.mkdir(parents=True)
    plan = {"agent": {"algorithm": "ppo", "rewards": [{"name": "coverage"}]}, "steps": 100}
    (policy / "config.json").write_text(json.dumps({"made_by": {}, "train_policy": plan}))
    (policy / "history.jsonl").write_text('{"step": 50, "return": 0.25}\n{"step": 100, "return": 0.5}\n')
    (folder / "goal_reaching.json").write_text('{"summary": {}}')
    (folder / "rollout_error.json").write_text("{")
    assert main(["report", str(folder)]) == 0
    page = Page(folder / "report.html")
    assert (
        "ppo, rewarded for coverage: the mean return of an episode is 0.5 at step 100 of 100, and was 0.25" in page.text
    )
    assert "goal_reaching.json: written by another version, and cannot be shown (KeyError" in page.text
    assert "rollout_error.json: not a whole JSON file" in page.text
    assert "60.0" in page.text


def test_a_figure_for_dark_pages_has_their_ground_and_readable_lines() -> None:
    figure = new(2.0, 2.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="black")
    axes.plot([0, 1], [1, 0], color="#6a1b9a")
    axes.set_title("title")
    found = page_pictures.drawn("a", "b", figure)
    light, dark = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
        for uri in (found.light, found.dark)
    )
    assert light.shape == dark.shape == (300, 300, 3)
    assert (light[0, 0] == 255).all()
    assert tuple(dark[0, 0]) == (0x17, 0x17, 0x1B)
    assert dark.max() > 200  # ink
    assert axes.lines[0].get_color() == axes.title.get_color()
    assert sum(axes.lines[1].get_color()[:3]) > sum(to_rgb("#6a1b9a"))
    assert found.width == 160
