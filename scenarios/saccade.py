"""Saccades over your own images: `gazeworld train saccade --data DIR`.

Claim
    None: what comes out depends on the images. Batch, steps, glimpse and intervals are chosen by how many there are and
    how large they are, runs are called after the folder: scenarios/saccade.md.
Source
    `folder`: images in folders of their classes, or without classes in one folder, which trains as well and is probed
    for what needs no labels. Any other source of images by its name: `--data stl10:/data`.
Command
    gazeworld train saccade --data photos
    gazeworld train saccade --data photos --size resnet18 --side 128 --world.glimpse 48
    gazeworld train saccade:no-conditioning --data photos
    gazeworld sweep saccade --data photos --methods seq-jepa,byol --seeds 0,1
    gazeworld evaluate runs/saccade-photos-0
"""

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._own_data import Given, method, over, schedule, with_method
from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "folder",
        "split": "train",
        "root": "",
        "glimpse": 32,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "contrast",
        "source_options": {"side": 96},
    },
    policy={"name": "saliency", "map": "contrast", "sigma": 0.0, "ior": True, "radius": 16.0, "shape": "circle"},
    method=SMALL,
    train=SHORT,
    probe=ProbeConfig(scenes=4000, repeats=1),
)

variants = {
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "uniform": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform"}),
}


def fitted(usual: Scenario, given: Given) -> Scenario:
    """A scenario of this file as it suits the data: glimpses of a third of the side, as STL-10's are in the paper.

    Saliency is local contrast, which costs little; of a ResNet-18 it is the image signature, as in the paper.
    """
    side = given.side_of(96)
    glimpse = given.glimpse or max(1, side // 3)
    found = over(usual, given, side=side)
    if given.size == "resnet18" and usual.policy["map"] != "uniform":
        found = found.changed(world={"saliency": "image-signature"}, policy={"map": "image-signature"})
    return with_method(found, method(given, pixels=glimpse)).changed(
        world={"glimpse": glimpse},
        policy={"radius": glimpse / 2},
        train=vars(schedule(given, observed=4, epochs=2000)),
    )
