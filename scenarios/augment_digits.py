"""Augmented digits on one CPU core: scenes of 56 pixels, cropped, relit and blurred to views of 32.

Claim
    One seed: R² of the difference of two views' parameters is 0.51 for the crop, 0.85 for jitter and 0.10 for blur,
    untrained 0.19, 0.73 and 0.03. Recognition is hardly above an untrained model: 24.1 to 30.6 % for M = 1 … 6,
    untrained 18.1 to 29.9 (chance 10).
Source
    `digits`: the 1797 digits that ship with scikit-learn. They are grey, so that jitter is brightness and contrast.
Command
    gazeworld train augment-digits                             actions name crop, jitter and blur
    gazeworld train augment-digits:crop                        … :jitter and :blur name one of them
    gazeworld train augment-digits:no-conditioning
"""

from gazeworld.agents.config import ProbeConfig

from .command.scenario import Scenario
from .command.sizes import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "augmentation",
        "source": "digits",
        "split": "train",
        "root": "",
        "action": "all",
        "size": 32,
        "kind": "either",
    },
    method=SMALL,
    train=SHORT,
    probe=ProbeConfig(scenes=2000, rounds=1, noise=0.0),
).changed(train={"steps": 2500, "observed": 2})

variants = {
    "crop": scenario.changed(world={"action": "crop"}),
    "jitter": scenario.changed(world={"action": "jitter"}),
    "blur": scenario.changed(world={"action": "blur"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}
