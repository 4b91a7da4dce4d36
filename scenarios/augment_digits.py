"""Augmented digits on one CPU core: scenes of 56 pixels, cropped, relit and blurred to views of 32.

Claim
    Differences of crop (R² 0.45, one seed) and jitter between two views are read from their embeddings, of blur hardly;
    recognition is hardly above an untrained model. All numbers: scenarios/augment_digits.md.
Source
    `digits`: the 1797 digits that ship with scikit-learn. They are grey, so that jitter is brightness and contrast.
Command
    gazeworld train augment-digits                             actions name crop, jitter and blur
    gazeworld train augment-digits:crop                        … :jitter and :blur name one of them
    gazeworld train augment-digits:no-conditioning
"""

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

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
    probe=ProbeConfig(scenes=2000, repeats=1, noise=0.0),
).changed(train={"steps": 2500, "observed": 2})

variants = {
    "crop": scenario.changed(world={"action": "crop"}),
    "jitter": scenario.changed(world={"action": "jitter"}),
    "blur": scenario.changed(world={"action": "blur"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}
