"""Natural pixels at CPU size: photographic cut-outs before noise, seen through glimpses of 32 px in 96.

A scene shows one of about 270 photographed things, anywhere, before coloured 1/f noise drawn for it alone, even grey
(`:plain`) or parts of photographs (`:photos`). There are as many scenes as one likes, and the mask of each object is
exact, so that it can be said of every glimpse and of every map whether it found the object.

Claim
    None yet: what was measured, and the instrument itself, stand in scenarios/saccade_stamps.md.
Source
    `stamps`: Debian's package tuxpaint-stamps-default, or the folder `stamps` of Tux Paint under `--world.root`;
    `:photos` needs photographs: packages of wallpapers, or folders of your own.
Command
    gazeworld train saccade-stamps --seed 0                     noise behind the objects
    gazeworld train saccade-stamps:plain --seed 0               even grey
    gazeworld train saccade-stamps:photos --seed 0              photographs
    gazeworld train saccade-stamps:no-conditioning --seed 0
    gazeworld controls                                          is it the map of this image that matters?
Time
    1500 steps of 64 streams: four minutes of one CPU core, then a minute of probing (`gazeworld controls`). The
    3000 steps of 128 streams of `gazeworld train` have not been run: by that about 15 minutes.
"""

import dataclasses

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario

from ._presets import NO_CONDITIONING, SHORT, SMALL

scenario = Scenario(
    world={
        "name": "saccade",
        "source": "stamps",
        "split": "train",
        "root": "",
        "source_options": {"behind": "noise"},
        "glimpse": 32,
        "padding": "inside",
        "noise": 0.0,
        "first": "saliency",
        "saliency": "image-signature",
    },
    policy={"name": "saliency", "map": "image-signature", "sigma": 0.0, "ior": True, "radius": 16.0, "shape": "circle"},
    method=SMALL,
    train=dataclasses.replace(SHORT, steps=3000),
    probe=ProbeConfig(scenes=4000, repeats=1),
)

variants = {
    "plain": scenario.changed(world={"source_options": {"behind": "plain"}}),
    "noise": scenario,
    "photos": scenario.changed(world={"source_options": {"behind": "photos"}}),
    "uniform": scenario.changed(world={"first": "uniform"}, policy={"map": "uniform", "ior": False}),
    "no-conditioning": scenario.changed(method=NO_CONDITIONING),
    "gpu": scenario.changed(
        method={"encoder": "cifar-resnet18", "action_width": 128, "predictor_hidden": 1024, "momentum": 0.996},
        train={"steps": 100_000, "batch": 512, "lr": 4e-4, "warmup": 0.02, "precision": "bf16-mixed", "compile": True},
    ),
}
