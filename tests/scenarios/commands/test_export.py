"""`gazeworld export`: what it writes and says, and what it refuses in one sentence."""

from pathlib import Path
from typing import Any

import pytest
from fakes.runs import trained

from gazeworld.agents import from_pretrained
from gazeworld.agents.runs import export_run
from gazeworld.envs import downloads
from gazeworld.scenarios.commands._main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "tiny")


def test_a_run_is_exported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(run), str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"written: {out}: README.md, config.json, model.safetensors, 0.")
    assert said[1] == "its card has no numbers: the run is not probed at this step (gazeworld evaluate)"
    assert from_pretrained(out).step == 2


def test_a_run_is_uploaded(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[dict[str, Any]] = []

    def send(folder: Path, name: str, **options: Any) -> str:
        sent.append({"card": (folder / "README.md").read_text(), "name": name, **options})
        return f"https://hub/{name}"

    monkeypatch.setattr(export_run.hub, "send", send)
    assert main(["export", str(run), "--push", "me/model", "--private", "--licence", "mit"]) == 0
    assert main(["export", str(run), str(tmp_path / "out"), "--push", "me/model", "--licence", "mit"]) == 0
    assert capsys.readouterr().out.count("uploaded: https://hub/me/model") == 2
    assert [one["private"] for one in sent] == [True, False]
    for one in sent:
        assert 'from_pretrained("me/model")' in one["card"]
        assert 'license: "mit"' in one["card"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nowhere to export to: expected a folder after RUN, or --push USER/NAME"),
        (["--push", "me"], "'me' cannot be the name of a model on the hub, expected one like user/name"),
        (["file/x"], "out is 'file/x', expected a folder, but '{here}/file' is none"),
        (["out", "--private"], "--private is of what --push makes on the hub, and there is no --push"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: list[str], said: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["export", str(run), *words]) == 2
    assert capsys.readouterr().err == f"gazeworld: error: {said.format(here=tmp_path)}\n"
    assert not (tmp_path / "out").exists()


def test_much_is_written_only_with_yes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(downloads, "LARGE", 1000)
    assert main(["export", str(run), str(tmp_path / "out")]) == 2
    assert "MB, and nobody agreed to that; expected at most" in capsys.readouterr().err
    assert main(["export", str(run), str(tmp_path / "out"), "--yes"]) == 0
