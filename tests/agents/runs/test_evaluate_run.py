"""Probing a run in another world than its own: the model's weights, the other world's scenes, nothing written."""

from pathlib import Path
from typing import Any

import torch
from fakes.imagenet import imagenet
from fakes.runs import TINY, trained

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs.evaluate_run import evaluate_run
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.training.checkpoint import load_method

QUICK = ProbeConfig(
    views=2, repeats=1, epochs_linear=1, epochs_position=1, epochs_mlp=1, hidden=4, batch=8, noise=0.0, online=0
)


def looking(root: Path, glimpse: int) -> dict[str, Any]:
    options = {"root": str(root), "glimpse": glimpse, "source_options": {"side": 24}}
    return {"name": "saccade", "source": "imagenet", "split": "train", **options}


def test_a_run_is_probed_in_another_world_by_its_own_weights(tmp_path: Path) -> None:
    imagenet(tmp_path / "here", 4)
    imagenet(tmp_path / "there", 3)
    folder = trained(tmp_path / "run", world=looking(tmp_path / "here", 8))
    there = Scenario(world=looking(tmp_path / "there", 12), method=TINY, probe=QUICK)
    done = evaluate_run(folder, device="cpu", elsewhere=there)
    world = done.arena.train.world
    assert (world.view_shape, world.size) == ((3, 12, 12), 9)
    assert done.found["recognition"]
    own, _ = load_method(folder, world)
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), done.method.parameters(), strict=True))
    assert not RunFolder(folder).probes.exists()
