"""Objects on a turntable, at CPU size: parametric solids of ten families, seen as whole views of 64 px.

Claim
    The aggregate rises to 96.3 ± 0.9 % with eight views (three seeds), above an untrained one, and rotations between
    views are known better with conditioning on actions than without. Paths are integrated no better than by an
    untrained aggregator that sees the same actions. With `:full` rotations are hardly learnt. All numbers, other
    conditioning, unseen rotations: scenarios/rotation_solids.md.
Source
    `solids`: chairs, tables, mugs … built from boxes, cylinders and cones, drawn on 3DIEBench's stage. Objects turn
    about the vertical axis alone, within ±90°; `:full` has all of 3DIEBench's rotations.
Command
    gazeworld train rotation-solids --seed 0                     and 1, 2
    gazeworld train rotation-solids:no-conditioning --seed 0     and 1, 2
    gazeworld train rotation-solids:full --seed 0                and :color, :rotcolor
    gazeworld evaluate runs/rotation-solids-0 --probe.regions behind
"""

from dataclasses import replace

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "rotation",
        "source": "solids",
        "split": "train",
        "action": "rot",
        "sign": "canonical",
        "source_options": {"per_family": 200, "size": 64, "views": 20, "region": "turntable"},
    },
    policy={"name": "unseen"},
    # Where things lie in a view tells how they are turned: the encoder's last map is flattened, not averaged.
    method={**SMALL, "encoder": "small-grid", "dim": 128, "action_width": 32},
    train=replace(SHORT, steps=1500, observed=3),
    probe=ProbeConfig(views=8, repeats=2, noise=0.0, epochs_mlp=100, hidden=256, puzzle_epochs=20, online=400),
)

variants = {
    "color": scenario.changed(world={"action": "color"}),
    "rotcolor": scenario.changed(world={"action": "rotcolor"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "full": scenario.changed(
        world={"source_options": {"per_family": 400, "size": 64, "views": 20, "region": "paper"}}, train={"steps": 4000}
    ),
    "m1": scenario.changed(train={"observed": 1}),
    "m5": scenario.changed(train={"observed": 5}),
}
