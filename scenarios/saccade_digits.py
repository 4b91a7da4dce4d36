"""The demonstration: handwritten digits in larger scenes, seen through glimpses of a ninth of the area.

Claim
    To be measured.
Source
    `digits`: the 1797 digits that ship with scikit-learn.
Command
    gazeworld train saccade-digits
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig

from .command.scenario import Scenario

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
    method={
        "name": "seq-jepa",
        "encoder": "small",
        "dim": 64,
        "width": 16,
        "action_width": 16,
        "hidden": 256,
        "decay": 0.99,
        "positions": True,
    },
    train=TrainConfig(
        steps=6000, batch=128, observed=4, lr=2e-3, warmup=0.05, log_every=100, probe_every=500, save_every=500
    ),
    probe=ProbeConfig(scenes=4000, rounds=1),
)

variants = {
    "demo": scenario.changed(train={"steps": 2000, "probe_every": 500}, probe={"scenes": 2000, "epochs_linear": 100}),
    "no-conditioning": scenario.changed(method={"condition_transformer": False, "condition_predictor": False}),
    "no-positions": scenario.changed(method={"positions": False}),
    "uniform": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform"}),
}
