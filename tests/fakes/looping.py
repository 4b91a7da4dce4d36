"""A loop on the counting world: its session, its recorder and a run of eight steps."""

from io import StringIO
from pathlib import Path

import torch
from gymnasium.vector import AutoresetMode
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from rich.console import Console

from fakes.worlds import CountingWorld
from gazeworld.agents.config import TrainConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.training import loop
from gazeworld.agents.training.optimiser import make_optimiser
from gazeworld.agents.training.recorder import Recorder
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import WorldSpec, make_method

CONFIG = TrainConfig(
    steps=8, batch=6, observed=3, lr=1e-2, warmup=0.2, log_every=2, probe_every=4, save_every=4, keep=0
)


def session(
    rows: int = 6, first_row: int = 0, seed: int = 0, dropout: float = 0.1, precision: str = "32-true"
) -> loop.Session:
    world = CountingWorld()
    env = ActiveVisionVectorEnv(
        num_envs=rows,
        world=world,
        episode_steps=5,
        tensors=True,
        autoreset_mode=AutoresetMode.DISABLED,
        first_row=first_row,
    )
    env.reset(seed=seed)
    torch.manual_seed(seed)
    module = make_method(
        "seq-jepa",
        WorldSpec((1, 4, 4), 1, (0.5,), (0.25,)),
        encoder="small",
        dim=12,
        width=4,
        action_width=4,
        predictor_hidden=8,
        dropout=dropout,
    )
    optimiser = make_optimiser(module, CONFIG)
    mixed = [] if precision == "32-true" else [MixedPrecision(precision, "cpu")]  # by name, Fabric refuses fp16 here
    fabric = Fabric(accelerator="cpu", devices=1, plugins=mixed)
    method, optimiser = fabric.setup(module, optimiser)
    method.mark_forward_method("loss")
    return loop.Session(fabric, method, module, optimiser, env, make_policy("uniform", world), seed, first_row)


def recorder(folder: Path, start: int = 0) -> Recorder:
    return Recorder(folder, start=start, steps=8, console=Console(file=StringIO()))


def run(s: loop.Session, folder: Path, config: TrainConfig = CONFIG, start: int = 0) -> int:
    record = recorder(folder, start)
    try:
        return loop.train(s, config, folder / "checkpoints", record, start)
    finally:
        record.close()
