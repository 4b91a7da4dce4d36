"""3DIEBench's own layout, index files and all, from the tree to the report, with an out-of-distribution set beside."""

import json
from pathlib import Path

import pytest
from fakes.object_datasets import write_tree

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes import generalisation
from gazeworld.agents.runs import evaluate_run
from gazeworld.models.method import WorldSpec, make_method
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main

CLASSES = {"02691156": 6, "03001627": 6}
SHORT = "--train.epochs 0 --train.steps 2 --train.batch 4 --train.no-compile --train.precision 32-true --no-evaluate"
PROBES = "--probe.views 2 --probe.repeats 1 --probe.epochs-linear 2 --probe.epochs-mlp 2 --probe.hidden 8"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    for name in ("tree", "ood"):
        write_tree(folder / name, CLASSES, views=8, side=64, index=True)
    assert main(["data", "pack", str(folder / "tree"), "--out", str(folder / "packed"), "--size", "32"]) == 0
    return folder


def test_from_the_tree_to_the_report(trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = "--method.encoder small --method.predictor-hidden 16 --method.action-width 8 --probe.online 2 --device cpu"
    made = f"train rotation-3diebench --runs {tmp_path} --name one --world.root {trees / 'packed'} {small} {SHORT}"
    assert main(made.split()) == 0
    probed = (
        f"evaluate {tmp_path / 'one'} --device cpu {PROBES} --probe.puzzle-epochs 0 --probe.regions ood={trees / 'ood'}"
    )
    assert main(probed.split()) == 0
    assert "ood" in capsys.readouterr().out
    found = json.loads((tmp_path / "one/probes.json").read_text())["objects"]["elsewhere"]
    (there,) = found.values()
    assert there["relative rotation"]["scored on"]["there"]["streams"] == 3  # a quarter of twelve, as the index says
    perfect = there["absolute rotation"]["perfect"]["here"]
    assert perfect[generalisation.CANONICAL]["raw"]["mean"] == pytest.approx(1.0)
    assert main(["report", str(tmp_path / "one")]) == 0
    page = (tmp_path / "one/report.html").read_text()
    assert "rotation-3diebench" in page


@pytest.mark.parametrize(("kind", "source"), [("packed", "packed"), ("ood", "3diebench")])
def test_a_stored_set_is_another_region(trees: Path, kind: str, source: str) -> None:
    one = _catalogue.load("rotation-3diebench").changed(world={"root": str(trees / "packed")})
    options = {"encoder": "small", "dim": 16, "width": 4, "action_width": 16, "predictor_hidden": 16}
    method = make_method("seq-jepa", WorldSpec((3, 32, 32), 4, (0.5,) * 3, (0.5,) * 3), **options)
    place = evaluate_run.arena_of(one, ProbeConfig(views=2), method, region=f"ood={trees / kind}")
    assert place.test.world.objects.name == source
    assert place.test.world.view_shape == (3, 32, 32)
