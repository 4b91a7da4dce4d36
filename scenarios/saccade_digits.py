"""The demonstration: handwritten digits in scenes of 56 pixels, seen through glimpses of 16.

Claim
    Accuracy on the aggregate rises with the number of glimpses, 51.5 ± 1.3, 84.8 ± 1.5 and 87.4 ± 1.4 % for M = 1, 4
    and 6 (three seeds), above an untrained model of the same shape (22.5, 34.6, 38.4), above a single view (33.5) and
    above the mean of the views (33.5, 53.5, 57.9). Without action conditioning it is 25.7, 37.3 and 42.8, and the
    R² of the displacement between two views falls from 0.79 to 0.60, an untrained encoder's (0.61). With uniform
    fixations it learns nothing (one seed: 12.6 at M = 6); an aggregator that is not told the order of the views has
    78.8 (one seed). Path integration works with actions and fails without, but does not beat the sum of the commanded
    actions (README).
Source
    `digits`: the 1797 digits that ship with scikit-learn.
Command
    gazeworld train saccade-digits --seed 0                     and 1, 2
    gazeworld train saccade-digits:no-conditioning --seed 0     and 1, 2
    gazeworld train saccade-digits:uniform --seed 0
    gazeworld train saccade-digits:no-positions --seed 0
    gazeworld train saccade-digits:demo                         2500 steps: what scripts/demo runs
Time
    6000 steps at 60 ms on one CPU core, then about a minute of probing.
"""

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "digits",
        "split": "train",
        "glimpse": 16,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "contrast",
    },
    policy={"name": "saliency", "map": "contrast", "sigma": 0.0, "ior": True, "radius": 8.0, "shape": "circle"},
    method=SMALL,
    train=SHORT,
    probe=ProbeConfig(scenes=4000, rounds=1),
)

variants = {
    "demo": scenario.changed(train={"steps": 2500}, probe={"scenes": 2000, "epochs_linear": 100}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "no-positions": scenario.changed(method={"positions": False}),
    "uniform": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform"}),
}
