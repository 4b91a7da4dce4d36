"""The paper's hand-crafted augmentations on Tiny ImageNet: 64 px, actions name crop, jitter and blur, M = 2 (Table 2).

Claim
    The paper's (tables 2 and 12), not measured here: top-1 on the aggregate is 35.56 % (M_val = 5), and what an action
    names of an augmentation is read from embeddings. All its numbers: scenarios/augment_tiny_imagenet.md.
Source
    `tiny-imagenet`: the tree `tiny-imagenet-200` below `--world.root`; probes are scored on its validation images.
Command
    gazeworld train augment-tiny-imagenet --world.root /data --train.precision bf16-mixed --train.compile
Time
    2000 epochs are 390 625 steps of 512 streams of three views.
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING

scenario = Scenario(
    world={
        "name": "augmentation",
        "source": "tiny-imagenet",
        "split": "train",
        "root": "",
        "action": "all",
        "size": 64,
        "kind": "either",
    },
    # Appendix A.2 has the CIFAR variant of ResNet-18 for CIFAR-100 and STL-10's patches only.
    method={
        "name": "seq-jepa",
        "encoder": "resnet18",
        "action_width": 128,
        "predictor_hidden": 1024,
        "momentum": 0.996,
    },
    # Section 3.2 and appendix A.2; 20 epochs of warm-up.
    train=TrainConfig(
        epochs=2000,
        batch=512,
        observed=2,
        lr=4e-4,
        warmup=0.01,
        log_every=50,
        probe_every=2000,
        save_every=1000,
    ),
    probe=ProbeConfig(views=5, noise=0.0),
)

variants = {
    "m1": scenario.changed(train={"observed": 1}),
    "m3": scenario.changed(train={"observed": 3}),
    "crop": scenario.changed(world={"action": "crop"}),
    "jitter": scenario.changed(world={"action": "jitter"}, train={"observed": 3}),
    "blur": scenario.changed(world={"action": "blur"}, train={"observed": 3}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}
