"""The paper's saccades over ImageNet-1k: images of 224 px, glimpses of 84; transfer from STL-10 (appendix B.10).

Claim
    The paper's, not reproduced here: what a model learnt from STL-10's patches recognises ImageNet's classes better the
    more patches it sees, with glimpses of 32 as with those of 84 pixels (its Figure 15; the text gives no numbers).
Source
    `imagenet`: `train/<wnid>/*.JPEG` and `val` under `--world.root`. Images are read when they are looked at, those of
    the next episode meanwhile. Saliency is the image signature, computed when an image is looked at;
    `--world.saliency precomputed --policy saliency:map=precomputed` uses maps that lie beside the images, as the paper
    did with DeepGaze IIE's.
Command
    gazeworld train saccade-imagenet --world.root /data/imagenet --train.precision bf16-mixed --train.compile
    gazeworld train saccade-imagenet:glimpse-64 --world.root /data/imagenet --train.precision bf16-mixed --train.compile
Time
    100 epochs are 250 222 steps of 512 streams. Not run at this size; tested on a small tree in the real layout:
    scenarios/saccade_imagenet.md.
"""

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "imagenet",
        "split": "train",
        "root": "",
        "glimpse": 84,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "image-signature",
        "source_options": {"side": 224},
    },
    policy={
        "name": "saliency",
        "map": "image-signature",
        "sigma": 0.0,
        "ior": True,
        "radius": 42.0,  # half a glimpse, as the 16 px of 32 on STL-10
        "shape": "circle",
    },
    method={
        "name": "seq-jepa",
        "encoder": "resnet18",
        "action_width": 128,
        "predictor_hidden": 1024,
        "momentum": 0.996,
    },
    train=TrainConfig(
        epochs=100,
        batch=512,
        observed=4,
        lr=4e-4,
        warmup=0.01,
        log_every=50,
        probe_every=5000,
        save_every=1000,
    ),
    probe=ProbeConfig(),
)

variants = {
    "glimpse-64": scenario.changed(world={"glimpse": 64}, policy={"radius": 32.0}),
    "transfer-32": scenario.changed(
        world={"glimpse": 32}, policy={"radius": 16.0}, method={"encoder": "cifar-resnet18"}
    ),  # where a model of saccade-stl10 is probed
    "transfer-84": scenario.changed(method={"encoder": "cifar-resnet18"}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "no-saliency": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform"}),
    "no-ior": scenario.changed(policy={"ior": False}),
    "centre-prior": scenario.changed(world={"saliency": "centre"}, policy={"map": "centre"}),
    "mismatched": scenario.changed(policy={"map": "mismatched"}),
}
