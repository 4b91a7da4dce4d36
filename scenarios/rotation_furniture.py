"""Real 3-D models on a turntable, at CPU size: furniture and other things of Sweet Home 3D, as whole views of 64 px.

Claim
    Objects are told apart and recognised, 49.5 ± 5.3 % with eight views of 99 other objects (three seeds, chance 15.2),
    and nothing else is learnt from 390 of them: neither rotations nor predicted views nor paths. Data are the limit: an
    encoder trained for the rotation itself (`inverse-dynamics`) knows no more. All numbers:
    scenarios/rotation_furniture.md.
Source
    Debian's package sweethome3d-furniture: 489 models of 12 classes on 3DIEBench's stage, drawn once. Objects turn
    about the vertical axis alone, within ±90°, 20 views each; `:full` has all of 3DIEBench's rotations, 50 views each.
Command
    gazeworld data render --source furniture --region turntable --size 64 --views 20 --out data/furniture-turntable
    gazeworld data pack data/furniture-turntable --size 64 --out data/furniture-turntable-packed
    gazeworld train rotation-furniture --seed 0                     and 1, 2
    gazeworld train rotation-furniture:no-conditioning --seed 0     and 1, 2
    `:full` and `:gpu`:
    gazeworld data render --source furniture --out data/furniture
    gazeworld data pack data/furniture --size 64 --out data/furniture-packed
    gazeworld train rotation-furniture:full
"""

from dataclasses import replace

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "rotation",
        "source": "packed",
        "split": "train",
        "root": "data/furniture-turntable-packed",
        "action": "rot",
        "sign": "canonical",
    },
    policy={"name": "unseen"},
    method={**SMALL, "encoder": "small-grid", "dim": 128, "action_width": 32},
    train=replace(SHORT, steps=1500, observed=3),
    probe=ProbeConfig(views=8, repeats=5, noise=0.0, epochs_mlp=100, hidden=256, puzzle_epochs=20, online=99),
)

full = scenario.changed(world={"root": "data/furniture-packed"})

variants = {
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "full": full.changed(train={"steps": 4000}),
    "gpu": full.changed(
        method={"encoder": "resnet18", "action_width": 128, "predictor_hidden": 1024, "momentum": 0.996},
        train={"steps": 4000, "batch": 512, "lr": 4e-4, "threads": 0, "precision": "bf16-mixed", "compile": True},
    ),
}
