"""Real photographs at CPU size: Fashion-MNIST drawn at 96 px, seen through glimpses of 32 px.

Claim
    The aggregate of six glimpses reaches 73.6 ± 0.9 % (three seeds), above an untrained model and the mean of the
    views; on these scenes conditioning on actions hardly matters. All numbers, methods beside each other, learnt and
    planned fixations: scenarios/saccade_fashion.md. The GPU size has not been run.
Source
    `fashion-mnist`: Debian's package dataset-fashion-mnist, or torchvision's files under `--world.root`.
Command
    gazeworld train saccade-fashion --seed 0                     and 1, 2
    gazeworld train saccade-fashion:no-conditioning --seed 0     and 1, 2
    gazeworld train saccade-fashion:gpu                          one CUDA device, the paper's encoder and sizes
Time
    6000 steps at 94 ms on one CPU core, then about a minute of probing.
"""

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "fashion-mnist",
        "split": "train",
        "root": "",
        "glimpse": 32,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "contrast",
    },
    policy={"name": "saliency", "map": "contrast", "sigma": 0.0, "ior": True, "radius": 16.0, "shape": "circle"},
    method=SMALL,
    train=SHORT,
    probe=ProbeConfig(scenes=4000, repeats=1),
)

variants = {
    "gpu": scenario.changed(
        method={"encoder": "cifar-resnet18", "action_width": 128, "predictor_hidden": 1024, "momentum": 0.996},
        train={"epochs": 200, "batch": 512, "lr": 4e-4, "warmup": 0.02, "precision": "bf16-mixed", "compile": True},
        probe={"scenes": 0},
    ),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}
