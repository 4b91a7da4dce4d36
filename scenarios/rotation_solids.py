"""Objects on a turntable, at CPU size: parametric solids of ten families, seen as whole views of 64 px.

Claim
    Three seeds, on a turntable: the aggregate rises from 87.5 ± 1.1 % (M = 1) to 96.3 ± 0.9 % (M = 8), an untrained one
    from 52.1 to 78.2. The R² of a view's rotation is 0.36 (30° off, a constant answer 45°), of that between two views
    0.29 (37° off, constant 60°); the predicted view is among the nearest 5 of 20 in 40.4 % (M = 3, chance 25). Without
    conditioning: 85.5 to 95.1 %, R² 0.30 and 0.10, 20.4 %. Paths are integrated with R² 0.89 and 0.61 over two and
    three actions, but no better than by an untrained aggregator that sees the same actions (0.83 and 0.65).
    From behind, where training saw nothing, the aggregate has 70.4 ± 3.4 % and rotations are not known.
    `:color` and `:rotcolor`, one seed: R² of the colours between two views 0.61 (rotation alone 0.38, untrained 0.45),
    of the rotation 0.00 and 0.16; 94.2 and 95.0 % at M = 8.
    `:full`, one seed: the aggregate rises from 59.0 % (M = 1) to 85.3 % (M = 8), an untrained one from 33.8 to 60.8;
    rotations are hardly learnt (R² of a view's rotation 0.14, of the rotation between two views 0.02; errors of 72° and
    101°, of a constant answer 83° and 110°), and the predictor finds views no better than chance.
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
    probe=ProbeConfig(views=8, rounds=2, noise=0.0, epochs_mlp=100, hidden=256, puzzle_epochs=20, online=400),
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
