"""The paper's object-rotation setting: 3DIEBench, ResNet-18, 128 px, relative rotations as actions.

Claim
    The paper's (tables 1 and 7), not measured here: top-1 on the aggregate is 87.41 % (M_tr = 3, M_val = 5), and
    rotations are read from embeddings. All its numbers: scenarios/rotation_3diebench.md.
Source
    3DIEBench (Garrido et al. 2023): 52 462 objects of 55 classes, 50 views each. `gazeworld data pack ROOT --out STORE`
    makes the packed store that is read here; `--world.source 3diebench --world.root ROOT` reads the JPEGs instead.
Command
    gazeworld train rotation-3diebench --world.root STORE          one CUDA device
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING

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
    method={
        "name": "seq-jepa",
        "encoder": "resnet18",
        "action_width": 128,
        "predictor_hidden": 1024,
        "momentum": 0.996,
    },
    train=TrainConfig(epochs=1000, batch=512, observed=3, lr=4e-4, warmup=0.02, precision="bf16-mixed", compile=True),
    probe=ProbeConfig(views=8, noise=0.0),
)

variants = {
    "color": scenario.changed(world={"action": "color"}),
    "rotcolor": scenario.changed(world={"action": "rotcolor"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "free-sign": scenario.changed(world={"sign": "free"}),
    "m1": scenario.changed(train={"observed": 1}),
    "m2": scenario.changed(train={"observed": 2}),
    "m4": scenario.changed(train={"observed": 4}),
    "m5": scenario.changed(train={"observed": 5}),
}
