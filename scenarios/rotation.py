"""Rotations of your own objects: `gazeworld train rotation --data DIR`.

Claim
    None: what comes out depends on the objects. Views, batch and steps are chosen by how many there are and how large
    they are, runs are called after the folder: scenarios/rotation.md.
Source
    A folder of 3-D models (`meshes`), which are drawn when they are first looked at; a tree of views in 3DIEBench's
    layout (`3diebench`), such as `gazeworld data render` writes; or a packed store of one (`packed`). What a folder is
    is told from what lies in it. Small models turn about the vertical axis alone, within ±90°, which can be learnt on a
    CPU; for a ResNet-18 objects have all of 3DIEBench's rotations.
Command
    gazeworld train rotation --data models
    gazeworld train rotation --data models --size resnet18
    gazeworld train rotation:color --data rendered
    gazeworld evaluate runs/rotation-models-0
"""

from dataclasses import replace

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._own_data import Given, method, over, schedule, with_method
from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "rotation",
        "source": "packed",
        "split": "train",
        "root": "",
        "action": "rot",
        "sign": "canonical",
    },
    policy={"name": "unseen"},
    # Where things lie in a view tells how they are turned: the encoder's last map is flattened, not averaged.
    method={**SMALL, "encoder": "small-grid", "dim": 128, "action_width": 32},
    train=replace(SHORT, steps=1500, observed=3),
    probe=ProbeConfig(views=8, repeats=2, noise=0.0, epochs_mlp=100, hidden=256, puzzle_epochs=20, online=400),
)

variants = {
    "color": scenario.changed(world={"action": "color"}),
    "rotcolor": scenario.changed(world={"action": "rotcolor"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}


def fitted(usual: Scenario, given: Given) -> Scenario:
    """A scenario of this file as it suits the data: views of 64 pixels, 20 of each model; of 128 and 50 for a ResNet.

    Episodes show no view twice, so that objects with few views have short ones.
    """
    large = given.size == "resnet18"
    side = given.side_of(128 if large else 64)
    drawn = {"views": 50 if large else 20, "region": "paper" if large else "turntable"}
    options = {"size": side, **(drawn if given.data.source == "meshes" else {})}
    views = given.data.views or drawn["views"]
    found = with_method(over(usual, given, **options), method(given, pixels=side, grid=True))
    return found.changed(
        train=vars(schedule(given, observed=max(1, min(3, views - 2)), epochs=1000)),
        probe={"views": max(1, min(usual.probe.views, views - 1))},
    )
