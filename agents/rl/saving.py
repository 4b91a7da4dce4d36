"""Policies and agents of Stable-Baselines3 on disk: safetensors for numbers, JSON for the rest, and no code in either.

SB3's own zip files hold pickles, which run code when they are opened; they are neither written nor read here. A policy
is its weights (`policy.safetensors`) and what its network was built from (`policy.json`); reading it builds the network
anew. An agent, from which training goes on, has `agent.safetensors` and `agent.json` besides: optimisers, entropy
coefficient, counters, and the replay of an off-policy algorithm.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gazeworld.envs.files import DataError, whole_file
from gazeworld.envs.validation import shown
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError

from ..file_schemas import AgentFacts, PolicyFacts, read_fields
from ..run_folder import PolicyFolder
from ..training import checkpoint
from . import missing_sb3
from .algorithms import ALGORITHMS, BaseAlgorithm, encoded
from .memory import layers
from .observations import Observe, with_model
from .vec_env import SB3VecEnv

try:
    from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
except ImportError as error:
    raise missing_sb3(error) from error

POLICY, AGENT = "policy", "agent"
_FORMAT = 1
_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def adapter_of(agent: BaseAlgorithm) -> SB3VecEnv:
    """The adapter that an agent acts in, beneath SB3's own wrappers. Raises ValueError if it acts in something else."""
    env = agent.get_env()
    base = None if env is None else env.unwrapped
    if not isinstance(base, SB3VecEnv):
        raise ValueError(f"the agent acts in {base}, expected gazeworld's SB3VecEnv")
    return base


def describe(agent: BaseAlgorithm) -> dict[str, Any]:
    """Everything about an agent's policy but its weights, as `policy.json` holds it.

    Raises ValueError for an algorithm or an option of its network that cannot be written down.
    """
    names = [name for name, kind in ALGORITHMS.items() if kind is type(agent)]
    if not names:
        raise ValueError(f"{type(agent).__name__} cannot be saved, only: {', '.join(ALGORITHMS)}")
    env = adapter_of(agent)
    kind, width = "pixels", 0
    shown = next((layer for layer in layers(env.env) if isinstance(layer, Observe)), None)
    if shown is not None:
        kind, method = shown.kind, shown.memory.method
        width = method.aggregate_dim if method is not None and with_model(kind) else 0
    return {
        "format": _FORMAT,
        "algorithm": names[0],
        "policy": encoded(agent.policy_kwargs),
        "observation": kind,
        "aggregate_dim": width,
        "episode_steps": env.base.episode_steps,
        "discrete_actions": env.discrete_options,
        "world": facts(env.base.world),
        "steps": agent.num_timesteps,
    }


def facts(world: World) -> dict[str, Any]:
    """What a policy depends on in a world: its kind, its views, how much of the scene one shows, its actions."""
    frame = world.frame(torch.full((1, world.pose_dim), 0.5, dtype=torch.float32, device=world.device))
    extent = None if frame is None else [round(float(x), 4) for x in (frame[0, 2:] - frame[0, :2])]
    return {
        "world": type(world).__name__,
        "view_shape": list(world.view_shape),
        "glimpse": extent,
        "pose_dim": world.pose_dim,
        "action_dim": world.action_dim,
        "action_bounds": list(world.action_bounds),
    }


def save_policy(agent: BaseAlgorithm, folder: Path) -> None:
    """Write `policy.json` and `policy.safetensors` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # Copies: networks that share features would otherwise be refused as overlapping.
    weights = {name: value.detach().cpu().clone() for name, value in agent.policy.state_dict().items()}
    _write(folder, POLICY, describe(agent), weights)


def save_agent(agent: BaseAlgorithm, folder: Path) -> None:
    """Write everything from which training goes on as if it had never stopped.

    Raises ValueError for a replay buffer of another kind than SB3's two plain ones.
    """
    save_policy(agent, folder)
    tensors: dict[str, Tensor] = {}
    parameters = {name: value for name, value in agent.get_parameters().items() if name != "policy"}
    tree: dict[str, Any] = {
        "parameters": _flat(parameters, "", tensors),
        "counters": {name: getattr(agent, name) for name in _COUNTERS},
    }
    for name in agent._get_torch_save_params()[1]:
        tensors[f"variable/{name}"] = getattr(agent, name).detach().cpu().clone()
    if isinstance(agent, OffPolicyAlgorithm):
        tree["replay"] = _keep_replay(agent, tensors)
    _write(folder, AGENT, tree, tensors)


def restore_agent(agent: BaseAlgorithm, folder: Path) -> None:
    """Fill an agent, made with the same options as the one that was saved.

    Raises CheckpointError for damaged files or those of another agent.
    """
    data, weights = read(folder, POLICY)
    if data != {**describe(agent), "steps": data.get("steps")}:
        raise CheckpointError(
            f"{PolicyFolder(folder).facts}: of an agent with other options than this {data['algorithm']}"
        )
    fill(agent.policy, weights, PolicyFolder(folder).weights)
    tree, tensors = read(folder, AGENT)
    file, _ = _files(folder, AGENT)
    try:
        _fill_agent(agent, tree, tensors, file)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{file}: not of an agent like this {data['algorithm']}: {error!r}") from error


def _fill_agent(agent: BaseAlgorithm, tree: dict[str, Any], tensors: dict[str, Tensor], file: Path) -> None:
    own = {name: value for name, value in agent.get_parameters().items() if name != "policy"}
    found = _unflat(tree["parameters"], tensors)
    _require_like(found, own, f"{file}: parameters")
    variables = {f"variable/{name}": getattr(agent, name) for name in agent._get_torch_save_params()[1]}
    if missing := [name for name in variables if name not in tensors]:
        raise CheckpointError(f"{file.with_suffix('.safetensors')}: there is no {missing[0]}")
    checkpoint.require_shapes(variables, tensors, str(file.with_suffix(".safetensors")))
    if tree["counters"].keys() != set(_COUNTERS):
        raise CheckpointError(f"{file}: counters are {', '.join(tree['counters'])}, expected {', '.join(_COUNTERS)}")
    parameters: Any = {**found, "policy": agent.policy.state_dict()}
    agent.set_parameters(parameters, device=agent.device)
    for name, value in variables.items():
        value.data.copy_(tensors[name])
    for name in _COUNTERS:
        setattr(agent, name, tree["counters"][name])
    if isinstance(agent, OffPolicyAlgorithm):
        if tree.get("replay") is None:
            raise CheckpointError(f"{file}: there is no 'replay', which an agent of this kind has")
        _fill_replay(agent, tree["replay"], tensors, file)


def _require_like(found: Any, own: Any, where: str) -> None:
    """Raise CheckpointError unless what was saved is built like what the agent has; state of optimisers may be new."""
    match own:
        case {"state": _, "param_groups": groups}:
            if not isinstance(found, dict) or found.keys() != {"state", "param_groups"}:
                raise CheckpointError(f"{where} is {shown(found)}, expected the state of an optimiser")
            _require_like(found["param_groups"], groups, f"{where}.param_groups")
            _require_moments(found["state"], sum(len(group["params"]) for group in groups), f"{where}.state")
        case dict():
            if not isinstance(found, dict) or found.keys() != own.keys():
                raise CheckpointError(f"{where} is {shown(found)}, expected the fields {', '.join(map(str, own))}")
            for key, value in own.items():
                _require_like(found[key], value, f"{where}.{key}")
        case list() | tuple():
            if not isinstance(found, list) or len(found) != len(own):
                raise CheckpointError(f"{where} is {shown(found)}, expected a list of {len(own)}")
            for i, value in enumerate(own):
                _require_like(found[i], value, f"{where}.{i}")
        case _:
            numbers = isinstance(own, int | float) and not isinstance(own, bool)
            kind = (int, float) if numbers else type(own)
            if not isinstance(found, kind) or (numbers and isinstance(found, bool)):
                raise CheckpointError(f"{where} is {shown(found)}, expected something like {shown(own)}")


def _require_moments(state: Any, parameters: int, where: str) -> None:
    """Raise CheckpointError unless Adam's state is there for all parameters, or for none yet."""
    if not isinstance(state, dict) or (state and state.keys() != set(range(parameters))):
        raise CheckpointError(f"{where} is {shown(state)}, expected an entry for each of {parameters} parameters")
    for number, slots in state.items():
        if not isinstance(slots, dict) or not all(isinstance(value, Tensor) for value in slots.values()):
            raise CheckpointError(f"{where}.{number} is {shown(slots)}, expected tensors")


def read(folder: Path, stem: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `<stem>.json` and `<stem>.safetensors` hold. Raises CheckpointError for a missing or damaged file."""
    file, weights = _files(folder, stem)
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected what gazeworld wrote of a Stable-Baselines3 {stem}")
    kind = {POLICY: PolicyFacts, AGENT: AgentFacts}[stem]
    try:
        data = read_fields(file, kind)
    except DataError as error:
        said = str(error).removeprefix(f"{file}: ")
        raise CheckpointError(
            f"{file}: not what gazeworld writes: {said}; expected the keys {', '.join(kind.model_fields)}"
        ) from error
    if stem == POLICY and data["format"] != _FORMAT:
        raise CheckpointError(f"{file}: format is {data['format']}, expected {_FORMAT}")
    return data, checkpoint.read(weights)


def fill(network: nn.Module, tensors: dict[str, Tensor], file: Path) -> None:
    """Load weights into a network. Raises CheckpointError naming what is missing, unknown or misshapen."""
    own = network.state_dict()
    if strange := sorted(own.keys() ^ tensors.keys()):
        raise CheckpointError(
            f"{file}: of another network: {len(strange)} tensors too many or too few, as {strange[0]}"
        )
    checkpoint.require_shapes(own, tensors, str(file))
    network.load_state_dict(tensors)


def _files(folder: Path, stem: str) -> tuple[Path, Path]:
    """Where the JSON and the tensors of a policy or an agent lie."""
    own = PolicyFolder(folder)
    return {POLICY: (own.facts, own.weights), AGENT: (own.agent_facts, own.agent_weights)}[stem]


def _write(folder: Path, stem: str, data: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Both files, each written whole or not at all; the JSON last, so that it never speaks of weights not yet there."""
    file, weights = _files(folder, stem)
    try:
        text = json.dumps(data, indent=2) + "\n"
    except TypeError as error:
        raise ValueError(f"{file}: an option of the {stem} cannot be written as JSON: {error}") from error
    with whole_file(weights, flushed=True) as draft, checkpoint.told(draft, weights):
        checkpoint.put(tensors, draft)
    with whole_file(file, flushed=True) as draft, checkpoint.told(draft, file):
        draft.write_text(text, encoding="utf-8")


def _flat(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Nested dictionaries and lists as JSON; tensors go into `tensors` and are named by their path."""
    match value:
        case Tensor():
            tensors[path] = value.detach().cpu().clone()
            return {"tensor": path}
        case dict():  # as pairs, because optimisers number their parameters and JSON has no integer keys
            return {"pairs": [[key, _flat(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
        case list() | tuple():
            return {"list": [_flat(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"{path} of the agent is a {type(value).__name__}, which cannot be saved")


def _unflat(value: Any, tensors: dict[str, Tensor]) -> Any:
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"pairs": pairs}:
            return {key: _unflat(item, tensors) for key, item in pairs}
        case {"list": items}:
            return [_unflat(item, tensors) for item in items]
        case _:
            return value


def _replay_of(agent: OffPolicyAlgorithm) -> ReplayBuffer:
    replay = agent.replay_buffer
    if replay is None or type(replay) not in (ReplayBuffer, DictReplayBuffer) or replay.optimize_memory_usage:
        raise ValueError(f"a replay of kind {type(replay).__name__} cannot be saved, only SB3's plain ones")
    return replay


def _parts(replay: ReplayBuffer) -> dict[str, np.ndarray]:
    """The arrays of a replay, by name; those of dictionary observations by name and key."""
    found: dict[str, np.ndarray] = {}
    for name in _REPLAY:
        value = getattr(replay, name)
        if isinstance(value, dict):
            found |= {f"replay/{name}/{key}": part for key, part in value.items()}
        else:
            found[f"replay/{name}"] = value
    return found


def _keep_replay(agent: OffPolicyAlgorithm, tensors: dict[str, Tensor]) -> dict[str, Any]:
    replay = _replay_of(agent)
    filled = replay.buffer_size if replay.full else replay.pos
    tensors |= {name: torch.from_numpy(part[:filled].copy()) for name, part in _parts(replay).items()}
    return {"position": replay.pos, "full": replay.full, "size": replay.buffer_size}


def _fill_replay(agent: OffPolicyAlgorithm, data: dict[str, Any], tensors: dict[str, Tensor], file: Path) -> None:
    replay = _replay_of(agent)
    if data["size"] != replay.buffer_size:
        raise CheckpointError(f"{file}: a replay of {data['size']} steps a row, expected {replay.buffer_size}")
    filled = data["size"] if data["full"] else data["position"]
    if not (0 <= data["position"] < data["size"]):
        raise CheckpointError(f"{file}: replay.position is {data['position']}, expected 0 to {data['size'] - 1}")
    parts = {name: torch.from_numpy(part[:filled]) for name, part in _parts(replay).items()}
    if missing := [name for name in parts if name not in tensors]:
        raise CheckpointError(f"{file.with_suffix('.safetensors')}: there is no {missing[0]}")
    checkpoint.require_shapes(parts, tensors, str(file.with_suffix(".safetensors")))
    for name, part in parts.items():
        part.copy_(tensors[name])
    replay.pos, replay.full = data["position"], data["full"]
