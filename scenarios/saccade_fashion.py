"""Real photographs at CPU size: Fashion-MNIST drawn at 96 px, seen through glimpses of 32 px.

Claim
    In a short run (one seed, 1500 steps, 2000 scenes probed) the aggregate reached 41.3, 64.3 and 66.1 % for M = 1, 4
    and 6, an untrained one 33.2, 49.5 and 54.5; the R² of the displacement between two views 0.53 against 0.48. Longer
    runs, more seeds and the GPU size have not been measured.
Source
    `fashion-mnist`: Debian's package dataset-fashion-mnist, or torchvision's files under `--world.root`.
Command
    gazeworld train saccade-fashion --train.steps 1500 --probe.scenes 2000 --probe.epochs-linear 100
    gazeworld train saccade-fashion            two CPU cores
    gazeworld train saccade-fashion:gpu        one CUDA device, the paper's encoder and sizes
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig

from .command.scenario import Scenario
from .command.sizes import NO_CONDITIONING, SMALL

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
    train=TrainConfig(
        steps=6000,
        batch=128,
        observed=4,
        lr=2e-3,
        warmup=0.05,
        threads=1,
        log_every=100,
        probe_every=500,
        save_every=500,
    ),
    probe=ProbeConfig(scenes=4000, rounds=1),
)

variants = {
    "gpu": scenario.changed(
        method={"encoder": "cifar-resnet18", "action_width": 128, "hidden": 1024, "decay": 0.996},
        train={"epochs": 200, "batch": 512, "lr": 4e-4, "warmup": 0.02, "precision": "bf16-mixed", "compile": True},
        probe={"scenes": 0},
    ),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
}
