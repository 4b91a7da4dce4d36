"""From a scenario to live objects: worlds, environments, policies, methods, sessions."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies.parallel import ParallelStrategy

from gazeworld.envs import registry
from gazeworld.envs.objects.rotations import REGIONS
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World, make_world
from gazeworld.models.method import METHODS, Method
from gazeworld.models.synchronised import synchronise

from ..config import TrainConfig
from ..policy import Policy, make_policy
from ..probes.evaluate import FEW, shown_by
from ..probes.features import calibrate, scored
from ..probes.online import Look, OnlineProbe
from ..training.checkpoint import made_for
from ..training.loop import Session, env_of
from ..training.optimiser import make_optimiser
from ..training.recorded_streams import StreamSource, open_recorded
from .model_facts import facts_of, to_json
from .scenario import Scenario

CALIBRATE = 512
"""Scenes whose views set the batch statistics of an untrained model."""


@dataclass(frozen=True)
class Place:
    """A vector env together with the policy that looks around in it."""

    env: ActiveVisionVectorEnv
    policy: Policy


def named(options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name and the other entries of a scenario's dictionary."""
    rest = dict(options)
    return rest.pop("name"), rest


def world_of(scenario: Scenario, split: str, device: torch.device | str, **changes: Any) -> World:
    """The scenario's world over one split."""
    name, options = named(scenario.world)
    return make_world(name, **{**options, "split": split, "device": str(device), **changes})


def place_of(scenario: Scenario, world: World, rows: int, *, first_row: int = 0, **policy: Any) -> Place:
    """Environment and policy over a world; `policy` replaces the scenario's policy if given (`name` and options)."""
    name, options = named(policy or scenario.policy)
    env = env_of(world, rows, max(scenario.train.observed, scenario.probe.views, 2), first_row=first_row)
    env.reset(seed=scenario.seed)
    return Place(env, make_policy(name, world, **options))


def method_of(scenario: Scenario, world: World) -> Method:
    """The untrained method, initialised from the seed; on the CPU first, so that it is the same on every device."""
    torch.manual_seed(scenario.seed)
    return made_for(scenario.method, world)


def untrained_of(scenario: Scenario, world: World, stream: Stream) -> Method:
    """The method with the weights that training begins with, and batch statistics of the stream's views."""
    return calibrate(method_of(scenario, world).to(world.device), stream)


def check_method(scenario: Scenario, world: World) -> None:
    """Raise ValueError if the method cannot learn from streams of as many views, or from actions of such a world."""
    name, _ = named(scenario.method)
    kind, given = registry.concrete(METHODS, name, Method), scenario.train.observed + 1
    most = kind.most_views
    if kind.adds_actions and given > 2 and not world.additive:
        raise ValueError(
            f"method {name!r} adds up the actions between views, but those of world {scenario.world['name']!r} do not "
            f"add: train.observed is {scenario.train.observed}, expected 1"
        )
    if given < kind.least_views or (most is not None and given > most):
        least = kind.least_views
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(
            f"method {name!r} learns from {wanted} views, but train.observed={scenario.train.observed} gives {given}"
        )


def check_shares(scenario: Scenario, world: World, processes: int) -> None:
    """Raise ValueError where several processes could not train, before there are any: each would say so."""
    if processes > 1:
        check_method(scenario, world)
        recorded_of(scenario, world)
        place_of(scenario, world, share_of(scenario, processes)).policy.attach(method_of(scenario, world))


def check_regions(scenario: Scenario, world: World) -> None:
    """Raise ValueError if probes are to be scored in regions of rotations that are not there, or not in this world."""
    regions = scenario.probe.regions
    if regions and world.stored_poses is None:
        raise ValueError(
            f"probe.regions is {' '.join(regions)}, but world {scenario.world['name']!r} has no stored views of "
            "objects to score heads on; expected none"
        )
    for region in regions:
        name, equals, root = region.partition("=")
        if not equals and name not in REGIONS:
            raise ValueError(f"probe.regions holds {name!r}, expected NAME=ROOT or one of: {', '.join(REGIONS)}")
        if equals and not (name and Path(root).is_dir()):
            raise ValueError(f"probe.regions holds {region!r}, but {root or 'nothing'!r} is no folder")


class _InputsAsTheyAre(MixedPrecision):
    """Mixed precision for what is computed. Fabric's own rounds what goes in, actions too, and chokes on streams."""

    def convert_input(self, data: Any) -> Any:
        """What goes in, untouched."""
        return data


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Give torch back, in the end, the number of threads that it has now."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def require_device(device: str) -> None:
    """Raise ValueError, saying which devices there are, for one that is not on this machine."""
    there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    there += ["mps"] * torch.backends.mps.is_available()
    if device not in ("auto", *there, *{one.partition(":")[0] for one in there}, *["gpu"] * (len(there) > 1)):
        raise ValueError(f"device {device!r} cannot be used: there is {', '.join(there)}; expected one of them or auto")


def device_named(device: str) -> torch.device:
    """The device of this name; `auto` is the best one that is there. Raises ValueError for one that is not."""
    require_device(device)
    accelerator, _, index = device.partition(":")
    try:
        return Fabric(accelerator=accelerator, devices=[int(index)] if index else 1).device
    except Exception as error:  # Fabric raises its own MisconfigurationException for devices that are not there
        raise ValueError(f"device {device!r} cannot be used: {error}") from error


def is_external(fabric: Fabric) -> bool:
    """Whether torchrun or the like starts the processes that train, and not the first of them."""
    strategy = fabric.strategy
    if not isinstance(strategy, ParallelStrategy) or strategy.cluster_environment is None:
        return False
    return strategy.cluster_environment.creates_processes_externally


def fabric_of(scenario: Scenario, device: str, processes: int = 1) -> Fabric:
    """Lightning Fabric on `auto`, `cpu`, `cuda`, `mps` or `cuda:1`, in one process or several (DDP).

    Raises ValueError for a device that is not there, and for more processes than it has devices or the batch streams.
    """
    require_device(device)
    accelerator, _, index = device.partition(":")
    if processes < 1 or (index and processes > 1):
        raise ValueError(f"processes is {processes} on device {device!r}, expected at least 1, or 1 on a named one")
    if processes > 1:
        share_of(scenario, processes)
    devices: Any = [int(index)] if index else processes
    strategy, precision = "ddp" if processes > 1 else "auto", scenario.train.precision
    try:
        if precision == "32-true":
            return Fabric(accelerator=accelerator, devices=devices, strategy=strategy)
        where = Fabric(accelerator=accelerator, devices=1).device.type
        return Fabric(
            accelerator=accelerator, devices=devices, strategy=strategy, plugins=_InputsAsTheyAre(precision, where)
        )
    except Exception as error:  # Fabric raises its own MisconfigurationException for devices that are not there
        raise ValueError(f"device {device!r} cannot be used: {error}") from error


def steps_of(scenario: Scenario, size: int) -> int:
    """Optimiser steps: `train.steps`, or as many as `train.epochs` passes over `size` scenes take."""
    if scenario.train.epochs:
        return math.ceil(scenario.train.epochs * size / scenario.train.batch)
    return scenario.train.steps


def config_with(scenario: Scenario, steps: int) -> TrainConfig:
    """The training configuration with its number of steps settled."""
    return dataclasses.replace(scenario.train, steps=steps, epochs=0)


def session_of(scenario: Scenario, fabric: Fabric, world: World) -> Session:
    """Everything that trains, on Fabric's device; each process has its share of the rows."""
    rows = share_of(scenario, fabric.world_size)
    check_method(scenario, world)
    first = fabric.global_rank * rows
    place = place_of(scenario, world, rows, first_row=first)
    module = method_of(scenario, world)
    if scenario.train.sync_batch_norm and fabric.world_size > 1:
        synchronise(module, fabric.device)
    place.policy.attach(module)
    optimiser = make_optimiser(module, scenario.train)
    if scenario.train.compile:
        for part in module.children():  # in place, so that the names of the weights stay as they are
            part.compile()
    method, optimiser = fabric.setup(module, optimiser)
    method.mark_forward_method("loss")
    guests: tuple[Callable[[Method], dict[str, float]], ...] = ()
    if scenario.probe.online and fabric.is_global_zero:
        guests = (online_probe(scenario, module, world.device),)
    more: dict[str, Any] = {
        "model": to_json(facts_of(scenario, world)),
        "streams": recorded_of(scenario, world, first, rows),
    }
    return Session(fabric, method, module, optimiser, place.env, place.policy, scenario.seed, first, guests, **more)


def recorded_of(scenario: Scenario, world: World, first: int = 0, rows: int = 0) -> StreamSource | None:
    """The streams that a process learns from, if they are recorded ones. Raises ValueError for those that do not fit.

    `rows` of every batch from `first` on are its own (0: all).
    """
    config = scenario.train
    if not config.streams:
        return None
    recorded, length = open_recorded(config.streams), config.observed + 1
    found = StreamSource(recorded, config.batch, length, scenario.seed, world.device, first, rows)
    found.require_fitting(world)
    return found


def share_of(scenario: Scenario, processes: int) -> int:
    """The streams of a batch that each process has. Raises ValueError where they cannot be shared out."""
    rows, rest = divmod(scenario.train.batch, processes)
    if rest:
        raise ValueError(f"train.batch is {scenario.train.batch}, not divisible by {processes} processes")
    if rows < 2 and not scenario.train.sync_batch_norm:
        raise ValueError(
            f"train.batch is {scenario.train.batch}, one stream for each of {processes} processes: batch normalisation "
            "needs two, or train.sync_batch_norm"
        )
    return rows


def online_probe(scenario: Scenario, module: Method, device: torch.device) -> OnlineProbe:
    """The guest that measures recognition and position while training goes on.

    Its streams are collected once, so a policy that looks with the model chooses with the model as it is now.
    """
    looks = []
    for split, seed in ((scenario.probe_split, scenario.seed), (scenario.test_split, scored(scenario.seed))):
        world = world_of(scenario, split, device)
        place = place_of(scenario, world, max(FEW, min(world.size, scenario.probe.online)))
        place.policy.attach(module)
        length = max(scenario.train.observed, 2) + 1  # two views are read, also where the method trains on one
        looks.append(Look.at(place.env, place.policy, length, seed))
    return OnlineProbe(*looks, classes=len(world.classes), what=shown_by(world))


def left_out(session: Session) -> list[str]:
    """Sentences that say what is not measured while a session trains."""
    probes = [guest for guest in session.guests if isinstance(guest, OnlineProbe)]
    return [f"recognition is not measured: {probe.left_out}" for probe in probes if probe.left_out]
