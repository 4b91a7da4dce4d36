"""The demonstration: handwritten digits in scenes of 56 pixels, seen through glimpses of 16.

Claim
    Accuracy on the aggregate rises with the number of glimpses, to 87.4 ± 1.4 % with six (three seeds), above an
    untrained model, a single view and the mean of the views; without action conditioning the model hardly learns. Path
    integration works with actions and fails without, but does not beat the sum of the commanded actions. All numbers,
    learnt and planned fixations: scenarios/saccade_digits.md.
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
    probe=ProbeConfig(scenes=4000, repeats=1),
)

variants = {
    "demo": scenario.changed(train={"steps": 2500}, probe={"scenes": 2000, "epochs_linear": 100}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "no-positions": scenario.changed(method={"positions": False}),
    "uniform": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform"}),
}
