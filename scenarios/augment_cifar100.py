"""The paper's hand-crafted augmentations on CIFAR-100: 32 px, actions name crop, jitter and blur, M = 2 (Table 2).

Claim
    The paper's (tables 2 and 12), not measured here: top-1 on the aggregate is 60.35 % (M_val = 5), and what an action
    names of an augmentation is read from embeddings. All its numbers: scenarios/augment_cifar100.md.
Source
    `cifar100`: the Python or the binary version below `--world.root`.
Command
    gazeworld train augment-cifar100 --world.root /data --train.precision bf16-mixed --train.compile
Time
    2000 epochs are 195 313 steps of 512 streams of three views.
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING

scenario = Scenario(
    world={
        "name": "augmentation",
        "source": "cifar100",
        "split": "train",
        "root": "",
        "action": "all",
        "size": 32,
        "kind": "either",
    },
    method={
        "name": "seq-jepa",
        "encoder": "cifar-resnet18",
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
