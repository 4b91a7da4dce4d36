"""Objects that turn, at CPU size: parametric solids of ten families, seen as whole views of 64 px.

Claim
    One seed: the aggregate rises from 42.0 % (M = 1) to 56.0 % (M = 8), an untrained one from 24.5 to 41.0 %. Rotations
    are not learnt at this size (R² of a view's rotation −0.07, an error of 82°; a constant answer leaves 80°), and so
    paths are not integrated. Variants have not been measured.
Source
    `solids`: chairs, tables, mugs … built from boxes, cylinders and cones, drawn on 3DIEBench's stage.
Command
    gazeworld train rotation-solids --seed 0
"""

from dataclasses import replace

from gazeworld.agents.config import ProbeConfig

from .command.scenario import Scenario
from .command.sizes import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "rotation",
        "source": "solids",
        "split": "train",
        "action": "rot",
        "sign": "canonical",
        "source_options": {"per_family": 100, "size": 64, "views": 20},
    },
    policy={"name": "unseen"},
    method={**SMALL, "dim": 96, "width": 8, "action_width": 32},
    train=replace(SHORT, steps=4000, observed=3),
    probe=ProbeConfig(views=8, rounds=5, noise=0.0, epochs_mlp=100, hidden=256, online=800),
)

variants = {
    "color": scenario.changed(world={"action": "color"}),
    "rotcolor": scenario.changed(world={"action": "rotcolor"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "m1": scenario.changed(train={"observed": 1}),
    "m5": scenario.changed(train={"observed": 5}),
}
