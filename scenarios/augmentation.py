"""Hand-crafted augmentations of your own images: `gazeworld train augmentation --data DIR`.

Claim
    None: what comes out depends on the images. Sizes, batch and steps are chosen by how many there are and how large
    they are, runs are called after the folder: scenarios/augmentation.md.
Source
    `folder`: images in folders of their classes, or without classes in one folder, which trains as well and is probed
    for what needs no labels. Any other source of images by its name: `--data cifar100:/data`.
Command
    gazeworld train augmentation --data photos                     actions name crop, jitter and blur
    gazeworld train augmentation:crop --data photos                … :jitter and :blur name one of them
    gazeworld train augmentation --data photos --size resnet18 --side 96
    gazeworld evaluate runs/augmentation-photos-0
"""

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._own_data import Given, method, over, schedule, with_method
from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "augmentation",
        "source": "folder",
        "split": "train",
        "root": "",
        "action": "all",
        "size": 32,
        "kind": "either",
        "source_options": {"side": 64},
    },
    method=SMALL,
    train=SHORT,
    probe=ProbeConfig(scenes=4000, repeats=1, noise=0.0),
).changed(train={"observed": 2})

variants = {
    "crop": scenario.changed(world={"action": "crop"}),
    "jitter": scenario.changed(world={"action": "jitter"}),
    "blur": scenario.changed(world={"action": "blur"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}


def fitted(usual: Scenario, given: Given) -> Scenario:
    """A scenario of this file as it suits the data: images of 64 pixels at most, as Tiny ImageNet's in the paper.

    The small encoder sees views of half of that side, a ResNet-18 of all of it.
    """
    side = given.side_of(64)
    pixels = side if given.size == "resnet18" else min(side, max(32, side // 2))
    return with_method(over(usual, given, side=side), method(given, pixels=pixels)).changed(
        world={"size": pixels}, train=vars(schedule(given, observed=2, epochs=2000))
    )
