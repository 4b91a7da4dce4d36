"""Where looking matters: an arrow in the middle tells which of the digits around it counts.

One digit in four counts, and only the arrow tells which: whoever looks where something is salient sees the right one
by luck. The world model dwells, with short saccades among the jumps, because glimpses that overlap are what it learns
shapes from; its encoder keeps what lies where, so that digits looked at straight can be told apart.

Claim
    Not measured by its command yet. In a trial of 1500 steps (one seed) there was much to win by looking in the right
    place: a linear classifier on the aggregate of M = 2 and 3 views had 68.1 and 69.4 % where the arrow's digit was
    looked at, 12.5 and 10.8 with saliency and inhibition of return, 10.0 and 9.8 with uniform fixations; 8.6 at M = 1
    (chance 10). No policy learnt to read the arrow: MaskablePPO with recognition gain, 131 000 steps, had 13.4 and
    10.7, though half of the streams on which the reward's probe was fitted looked where the arrow points.
Source
    `search`: the 1797 digits that ship with scikit-learn, four to a scene, on a ring around an arrow.
Command
    gazeworld train saccade-search --seed 0
    gazeworld train saccade-search:saliency --seed 0            without dwelling
Time
    6000 steps at about 120 ms on one CPU core.
"""

import dataclasses

from gazeworld.agents.config import ProbeConfig

from .command.scenario import Scenario
from .command.sizes import SHORT, SMALL

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "search",
        "split": "train",
        "glimpse": 20,
        "padding": "inside",
        "noise": 0.0,
        "first": "centre",
        "saliency": "contrast",
    },
    policy={"name": "dwell", "map": "contrast", "stay": 0.95, "reach": 0.06},
    method={**SMALL, "encoder": "small-grid", "dim": 128},
    train=dataclasses.replace(SHORT, steps=1500, observed=3, lr=1e-3),
    probe=ProbeConfig(scenes=4000, rounds=1),
)

variants = {
    "digits": dataclasses.replace(scenario, world={**scenario.world, "source_options": {"decoys": "digits"}}),
    "saliency": dataclasses.replace(scenario, policy={"name": "saliency", "map": "contrast", "radius": 10.0}),
}
