"""The paper's predictive learning across saccades: STL-10, 32-pixel glimpses of 96, M = 4 (Table 3).

Claim
    The paper's, not reproduced here: the aggregate of four glimpses reaches 83.44 % top-1 under a linear probe, more
    than without action conditioning and than without saliency and inhibition of return. All its numbers:
    scenarios/saccade_stl10.md.
Source
    `stl10`: the binary files under `--world.root` (unlabeled for training, train and test for probing). Saliency is
    the image signature; `--world.saliency precomputed --policy saliency:map=precomputed` uses maps of DeepGaze IIE that
    lie beside the images, as the paper did.
Command
    gazeworld train saccade-stl10 --world.root /data/stl10 --train.precision bf16-mixed --train.compile
Time
    2000 epochs are 390 625 steps of 7.6 TFLOP each. Not run.
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "stl10",
        "split": "unlabeled",
        "root": "",
        "glimpse": 32,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "image-signature",
    },
    policy={
        "name": "saliency",
        "map": "image-signature",
        "sigma": 0.0,
        "ior": True,
        "radius": 16.0,
        "shape": "circle",
    },
    method={
        "name": "seq-jepa",
        "encoder": "cifar-resnet18",
        "action_width": 128,
        "predictor_hidden": 1024,
        "momentum": 0.996,
    },
    train=TrainConfig(
        epochs=2000,
        batch=512,
        observed=4,
        lr=4e-4,
        warmup=0.01,
        log_every=50,
        probe_every=2000,
        save_every=1000,
    ),
    probe=ProbeConfig(),
)

variants = {
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "no-saliency": scenario.changed(
        world={"first": "uniform"}, policy={"map": "uniform"}
    ),  # inhibition of return alone, which the released code cannot run
    "no-ior": scenario.changed(policy={"ior": False}),
    "no-saliency-no-ior": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform", "ior": False}),
    "centre-prior": scenario.changed(world={"saliency": "centre"}, policy={"map": "centre"}),
    "mismatched": scenario.changed(policy={"map": "mismatched"}),
}
