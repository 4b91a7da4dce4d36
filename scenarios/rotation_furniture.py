"""Real 3-D models that turn: furniture and other things of Sweet Home 3D, drawn at 128 px on 3DIEBench's stage.

Claim
    Not measured yet.
Source
    Debian's package sweethome3d-furniture: 489 models of 12 classes, 50 views each, drawn once by
    `gazeworld data render --source furniture --out data/furniture` and packed by
    `gazeworld data pack data/furniture --out data/furniture-packed --size 64`.
Command
    gazeworld train rotation-furniture --world.root data/furniture-packed
"""

from dataclasses import replace

from gazeworld.agents.config import ProbeConfig

from .command.scenario import Scenario
from .command.sizes import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "rotation",
        "source": "packed",
        "split": "train",
        "root": "data/furniture-packed",
        "action": "rot",
        "sign": "canonical",
    },
    policy={"name": "unseen"},
    method={**SMALL, "dim": 96, "width": 8, "action_width": 32},
    train=replace(SHORT, steps=4000, observed=3),
    probe=ProbeConfig(views=8, rounds=5, noise=0.0, epochs_mlp=100, hidden=256, online=99),
)

variants = {
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "gpu": scenario.changed(
        method={"encoder": "resnet18", "action_width": 128, "hidden": 1024, "decay": 0.996},
        train={"batch": 512, "lr": 4e-4, "threads": 0, "precision": "bf16-mixed", "compile": True},
    ),
}
