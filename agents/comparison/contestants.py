"""Who takes part in a comparison of fixation policies: the controls, the planners, what was learnt, and the oracle."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.prior import partners
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..planning.ensemble import Ensemble
from ..policy import Choice, Memory, Policy, make_policy
from ..run_folder import PolicyFolder
from ..training.checkpoint import latest

SALIENCY, CENTRE, ORACLE = "saliency", "centre", "oracle"
CONTROLS = ("uniform", "centre", "other-map", SALIENCY, "grid")
PLANNED = ("novelty", "disagreement", "information")
NEED_ENSEMBLE = ("disagreement", "information")
STANDARD = (*CONTROLS, *PLANNED, ORACLE)

Kind = Literal["control", "planned", "learned", "oracle"]

_LABELS = {
    "uniform": "uniform + IoR",
    "centre": "centre prior + IoR",
    "other-map": "another image's map + IoR",
    "saliency": "saliency + IoR",
    "grid": "3 × 3 grid",
    "novelty": "planned: novelty",
    "disagreement": "planned: disagreement",
    "information": "planned: information",
    "oracle": "greedy oracle",
}


@dataclass(frozen=True)
class Gaze:
    """What a scenario says of fixations: its kind of map, with options, and inhibition of return for everybody."""

    map: str = "image-signature"
    inhibition: Inhibition = field(default_factory=Inhibition)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """A policy in a comparison: its name and kind, and the name and options that `make_policy` builds it from.

    `elsewhere` shows it the map of an image of another label (`gazeworld.envs.prior.partners`). The oracle has no
    options: it needs a probe.
    """

    name: str
    label: str
    kind: Kind
    policy: dict[str, Any]
    elsewhere: bool = False

    def make(self, world: World, method: Method, ensemble: Ensemble | None) -> Policy:
        """The policy in a world, given the world model and, if it needs one, an ensemble."""
        options = dict(self.policy)
        policy: Any = make_policy(options.pop("name"), world, **options)
        policy.attach(method)
        if self.name in NEED_ENSEMBLE:
            policy.equip(ensemble)
        return Apart(Elsewhere(policy, world) if self.elsewhere else policy, self.name)

    def key(self) -> dict[str, Any]:
        """Everything that its fixations depend on, JSON-able; the weights of what was learnt by their digest."""
        found: dict[str, Any] = {"policy": self.policy, "elsewhere": "another label" if self.elsewhere else ""}
        if self.kind == "learned":
            found["weights"] = digest(Path(self.policy["path"]))
        return found


class Apart(Policy):
    """A policy with draws of its own: with everybody's, two that draw from maps would look alike for no other reason.

    First fixations are the environment's, and the same for all.
    """

    def __init__(self, policy: Policy, name: str) -> None:
        self._policy, self._number = policy, zlib.crc32(name.encode())

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """What the policy does."""
        return self._policy.act(memory, rng.fold(self._number))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """What the policy draws from."""
        return self._policy.log_density(memory)


class Elsewhere(Policy):
    """A policy that takes each scene for one of another label: it has the map of another image."""

    def __init__(self, policy: Policy, world: World) -> None:
        self._policy = policy
        self._other = partners(world.labels, f"another image's map of {world.split}").to(world.device)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """What the policy would do in the other scene."""
        return self._policy.act(self._elsewhere(memory), rng)

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """What the policy would draw from in the other scene."""
        return self._policy.log_density(self._elsewhere(memory))

    def _elsewhere(self, memory: Memory) -> Memory:
        return Memory(memory.views, memory.actions, memory.poses, self._other[memory.scenes])


def standard(gaze: Gaze, grid: int) -> dict[str, Contestant]:
    """Controls, planners and the oracle, by name, for a scenario's map and inhibition of return."""
    inhibition = asdict(gaze.inhibition)
    own: dict[str, Any] = {"map": gaze.map, **({"map_options": gaze.options} if gaze.options else {})}
    maps = {"uniform": {"map": "uniform"}, "centre": {"map": "centre"}, "other-map": own, SALIENCY: own}
    found = {
        name: Contestant(
            name,
            _LABELS[name],
            "control",
            {"name": "saliency", **kind, **inhibition},
            elsewhere=name == "other-map",
        )
        for name, kind in maps.items()
    }
    found["grid"] = Contestant("grid", _LABELS["grid"], "control", {"name": "grid", "side": 3})
    for name in PLANNED:
        found[name] = Contestant(name, _LABELS[name], "planned", {"name": name, "grid": grid, **inhibition})
    found[ORACLE] = Contestant(ORACLE, _LABELS[ORACLE], "oracle", {"name": ORACLE, "grid": grid, **inhibition})
    return found


def learned(name: str, folder: Path, *, deterministic: bool, model: str = "") -> Contestant:
    """What an agent of Stable-Baselines3 has learnt; `model` is the run whose world model it looks with ("": the one
    of the comparison). Raises ValueError for a folder without a policy."""
    digest(folder)
    options = {"name": "sb3", "path": str(folder), "deterministic": deterministic}
    return Contestant(name, f"learnt: {name}", "learned", options | ({"model": model} if model else {}))


def choose(names: Sequence[str], there: dict[str, Contestant]) -> list[Contestant]:
    """Those named (none: all), and saliency with inhibition of return, which everybody is compared with.

    Raises ValueError for names that there are not.
    """
    if strange := [name for name in names if name not in there]:
        raise ValueError(f"unknown policies {', '.join(strange)}; there are: {', '.join(there)}")
    wanted = {*names, SALIENCY} if names else set(there)
    return [one for name, one in there.items() if name in wanted]


def policy_folder(folder: Path) -> Path | None:
    """Where in a folder (of a policy or of a run) policy.json lies, or None."""
    if PolicyFolder(folder).facts.is_file():
        return folder
    newest = latest(PolicyFolder(folder).checkpoints)
    return newest.path if newest is not None and PolicyFolder(newest.path).facts.is_file() else None


def digest(folder: Path) -> str:
    """Identifies a saved policy. Raises ValueError where there is none."""
    found = policy_folder(folder)
    if found is None:
        raise ValueError(f"{folder}: no learnt policy; expected a folder with policy.json, or a run that holds one")
    seen = hashlib.sha256()
    for file in (PolicyFolder(found).facts, PolicyFolder(found).weights):
        seen.update(file.read_bytes())
    return seen.hexdigest()[:16]


def fingerprint(key: dict[str, Any]) -> str:
    """A short name for everything that a result depends on."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
