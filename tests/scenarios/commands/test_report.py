"""`gazeworld report`: one page that holds everything, escaped, and needs nothing from outside."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakes.runs import leave, probes

from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.reports.figures import new

VOID = {"meta", "img", "br"}


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
        self.links += [value for name in ("src", "href") if (value := found.get(name))]
        if tag == "img":
            self.pictures[found["alt"] or ""] = base64.b64decode((found["src"] or "").partition(",")[2])
        if tag not in VOID:
            self.open.append(tag)

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
    assert set(page.pictures) == {"training", "path integration"}
    assert page.pictures["path integration"] == (folder / "figures/path_integration.png").read_bytes()
    assert all(picture.startswith(b"\x89PNG") for picture in page.pictures.values())
    for word in ("saccade-digits", "torch", "9.9", "weight_decay", "z_AGG", "60.0", "relative position", "f00"):
        assert word in page.text
    assert page.tags.count("caption") >= 8


def test_everything_is_escaped_and_nothing_comes_from_outside(tmp_path: Path) -> None:
    folder = run(tmp_path / "one")
    assert main(["report", str(folder)]) == 0
    page = Page(folder / "report.html")
    text = (folder / "report.html").read_text()
    assert "gazeworld train <b>&" in page.text  # the command of the run
    assert "<b>" not in text
    assert all(link.startswith("data:image/") for link in page.links)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", text)
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
    assert page.tags.count("details") == 5
    assert {"recognition", "training"} <= set(page.pictures)
    assert any(name.startswith("training length against inference length") for name in page.pictures)
    assert "60.0 ± 0.0" in page.text
    assert f"`gazeworld evaluate {late}` does it" in page.text


def test_a_run_that_is_not_probed_has_a_page_that_says_so(tmp_path: Path) -> None:
    folder = run(tmp_path / "late", probed=False)
    (folder / "metrics.jsonl").unlink()
    assert main(["report", str(folder)]) == 0
    page = Page(folder / "report.html")
    assert "has not been probed" in page.text
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
