"""`gazeworld score-gaze`: people's fixations on somebody's own images, of a run, of a scenario; and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeworld.agents.run_folder import RunFolder
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.score_gaze import BASELINES

QUICK = ["--resamples", "50", "--device", "cpu"]
NO_PATHS = [*QUICK, "--samples", "0", "--examples", "0"]
N = 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 40 x 30 pixels, four of them for the test, with the fixations of three people."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    lines, records = ["image,subject,order,x,y,duration"], []
    for split, n in (("train", 3), ("test", N)):
        for i in range(n):
            file = root / split / "things" / f"{split}{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(file)
    for i in range(N):
        for subject in range(3):
            points = np.concatenate(([[20.0, 15]], rng.uniform((6, 2), (34, 28), (5, 2))))
            name = f"test{i}.png"
            lines += [f"{name},{subject},{k},{x:.3f},{y:.3f},200" for k, (x, y) in enumerate(points)]
            # 40 x 30 on 1680 x 1050: 35 times as large, with 140 columns of margin.
            x, y = (points * 35 + [140, 0]).T
            records.append({"name": name, "subject": subject, "X": [*x], "Y": [*y], "T": [200] * 6, "length": 6})
    (root.parent / "gaze.csv").write_text("\n".join(lines))
    (root.parent / "gaze.json").write_text(json.dumps(records))
    return root


def scored(out: Path) -> dict[str, Any]:
    return json.loads((out / "gaze.json").read_text())


def test_policies_on_images_of_ones_own(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["score-gaze", "saliency", "--data", str(photos), *QUICK]
    more = ["--samples", "1", "--examples", "1", "--policy", "saliency:map=centre,ior=false", "uniform"]
    assert main([*words, *more, "--fixations", str(photos.parent / "gaze.csv"), "--out", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert "60 fixations given their history, in 12 paths of 3 people on 4 images" in said
    found = scored(tmp_path / "a")
    names = ["uniform", "centre prior", "saliency", "saliency:map=centre,ior=false", "policy uniform", "other people"]
    assert list(found["fixations"]) == names
    assert list(found["paths"]) == [*names, "people"]
    assert set(BASELINES) <= {*found["paths"]}
    assert found["fixations"]["policy uniform"]["NSS"] == found["fixations"]["uniform"]["NSS"]
    assert found["contenders"]["saliency:map=centre,ior=false"]["policy"]["map"] == "centre"
    assert found["paths"]["people"]["MultiMatch duration"]["mean"] == 1
    assert found["about"] | {"fixations": "", "data": ""} == {
        "scenario": "saccade-photos0", "run": None, "step": None, "fixations": "", "split": "test", "data": "",
        "source": "folder", "taken": found["about"]["taken"],
    }  # fmt: skip
    for name in ("gaze", "gaze_examples"):
        assert (tmp_path / "a" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # The published format says the same of the same looks.
    words += [
        "--samples",
        "0",
        "--examples",
        "0",
        "--fixations",
        str(photos.parent / "gaze.json"),
        "--out",
        str(tmp_path / "b"),
    ]
    assert main(words) == 0
    again = scored(tmp_path / "b")
    for name in ("saliency", "centre prior", "other people"):
        for measure in ("information gain", "NSS", "AUC"):
            mean = again["fixations"][name][measure]["mean"]
            assert mean == pytest.approx(found["fixations"][name][measure]["mean"]), name
    assert again["about"]["taken"]["screen"] == ""


def test_a_scenario_with_images_that_have_no_names(tmp_path: Path) -> None:
    lines = ["image;subject;order;x;y"]
    lines += [
        f"{i};{s};{k};{20 + 7 * k + 3 * s};{70 - 9 * k + i}" for i in range(3) for s in range(2) for k in range(5)
    ]
    (tmp_path / "looks.tsv").write_text("\n".join(lines))
    words = ["score-gaze", "saccade-digits", "--fixations", str(tmp_path / "looks.tsv"), "--policy", "novelty:grid=3"]
    assert main([*words, *NO_PATHS, "--out", str(tmp_path)]) == 0
    found = scored(tmp_path)
    assert found["paths"] == {}
    assert all("temperature" in one for one in found["fixations"]["novelty:grid=3"]["fitted"])
    assert not (tmp_path / "gaze_examples.png").exists()


def test_the_folder_of_a_run_holds_what_was_found_of_it() -> None:
    assert RunFolder(Path("x")).gaze == Path("x/gaze.json")
    assert "score_gaze" in {name.replace("-", "_") for name in _catalogue.commands()}


def test_mistakes_are_named(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gaze = ["--fixations", str(photos.parent / "gaze.csv"), "--out", str(tmp_path)]
    data = ["--data", str(photos)]
    unknown = tmp_path / "unknown.csv"
    unknown.write_text("image,subject,order,x,y\nnobody.png,1,0,3,4\nnobody.png,1,1,3,4\n")
    for words, said in (
        (
            ["salience", *gaze, *data],
            "'salience' is neither the folder of a run, nor a scenario of `gazeworld list`, nor",
        ),
        (["salience", *gaze, *data], "did you mean 'saliency'?"),
        (["saliency", *gaze], "policy 'saliency' alone has nothing to look at: say --data DIR"),
        (["saliency", *gaze, *data, "--policy", "grid", "grid"], "policy 'grid' is named twice"),
        (["saliency", *gaze, *data, "--split", "night"], "no split 'night'"),
        (["saliency", *gaze, *data, "--screen", "wide"], "screen is 'wide', expected image or pixels as in 1680x1050"),
        (["saliency", *gaze, *data, "--fixation", "x"], "unknown option --fixation; did you mean --fixations?"),
        (["saliency", *gaze, *data, "--bins", "1"], "bins is 1, expected an integer from 2 to 256"),
        (["unseen", *gaze, *data], "policy 'unseen' needs a world of stored views"),
        (["saliency", "--fixations", "nowhere.csv", *data], "nowhere.csv: not there"),
        (["saliency", "--fixations", str(unknown), *data], "line 2: fixations of 1 unknown images ('nobody.png')"),
    ):
        assert main(["score-gaze", *words]) == 2, words
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "gaze.json").exists()
