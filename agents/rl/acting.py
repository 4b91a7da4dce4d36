"""How policies of Stable-Baselines3 act in gazeworld: from what is remembered of an episode to the next action."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from gymnasium.spaces import Box, Dict, Discrete, Space
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World, require_lattice
from gazeworld.models.encoders import SinglePrecision
from gazeworld.models.method import CheckpointError, Method

from ..fixation_density import at, by_axes, on_places
from ..policy import Choice, Memory, Policy
from ..run_folder import PolicyFolder
from ..training.checkpoint import NonFiniteWeightsError
from . import missing_sb3
from .algorithms import ALGORITHMS, BaseAlgorithm, checked_distributions, decoded, policy_name, seeded
from .discrete_actions import make_discrete_actions
from .memory import MomentCache
from .observations import flat, pixels, space_of, with_model
from .saving import POLICY, describe, facts, fill, read

try:
    from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
    from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
    from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
    from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
    from stable_baselines3.common.vec_env import VecTransposeImage
except ImportError as error:
    raise missing_sb3(error) from error


_WIDEST = 2**15  # units of a layer, and whatever else is counted in the options of a network


@dataclass(frozen=True)
class _Said:
    """What a network says of the next action: logits of choices, or mean and deviation of a normal, squashed or not."""

    kind: Literal["choices", "normal", "squashed"]
    centre: Float[Tensor, "b k"]
    std: Float[Tensor, "b k"]


class Actor:
    """A policy network, what `policy.json` says of it, and the world that it acts in.

    `name` stands in error messages. Sampling takes the parameters of the network's distribution and draws from the
    stream that is passed in; nothing global is touched. Raises ValueError for a world that the policy was not made for.
    """

    def __init__(self, network: BasePolicy, data: dict[str, Any], world: World, name: str) -> None:
        _require_same(data, world, name)
        self.network, self.name, self.world = network, name, world
        self.kind, self.episode_steps = str(data["observation"]), int(data["episode_steps"])
        self.discrete = make_discrete_actions(world, data["discrete_actions"])
        self._width = int(data["aggregate_dim"])
        self._moments = MomentCache()

    @classmethod
    def of(cls, agent: BaseAlgorithm, world: World) -> "Actor":
        """The present policy of an agent, which may go on learning."""
        return cls(agent.policy, describe(agent), world, "the agent's policy")

    @classmethod
    def load(cls, folder: Path, world: World) -> "Actor":
        """A policy that `save_policy` wrote. Raises CheckpointError for bad files, ValueError for another world."""
        if folder.suffix == ".zip":
            raise ValueError(
                f"{folder}: zip files of Stable-Baselines3 run code when they are opened; "
                "save the policy with gazeworld.agents.rl.saving.save_policy(agent, folder) and give that folder"
            )
        name = str(folder)
        try:
            data, weights = read(folder, POLICY)
        except NonFiniteWeightsError as error:
            raise CheckpointError(f"policy 'sb3' ({name}) gives NaN: {error}") from error
        _require_same(data, world, name)
        try:
            _require_sizes(data["policy"], "policy")
            network = _build(data, world).to(world.device)
        except (
            KeyError,
            TypeError,
            ValueError,
            AssertionError,
            AttributeError,
            RuntimeError,
            ArithmeticError,
        ) as error:
            raise CheckpointError(f"{PolicyFolder(folder).facts}: not what gazeworld writes: {error}") from error
        fill(network, weights, PolicyFolder(folder).weights)
        network.set_training_mode(False)
        return cls(network, data, world, name)

    def require_model(self, method: Method | None) -> None:
        """Raise ValueError without a world model where the policy observes one, and for a model of another width."""
        if not with_model(self.kind):
            return
        if method is None:
            raise ValueError(f"policy 'sb3' ({self.name}) looks with a world model, and there is none: set `model`")
        if method.aggregate_dim != self._width:
            raise ValueError(
                f"policy 'sb3' ({self.name}) observes aggregates of {self._width} numbers, "
                f"and this world model gives {method.aggregate_dim}"
            )

    def act(self, method: Method | None, memory: Memory, rng: Draws, *, deterministic: bool = False) -> Choice:
        """The next action of every episode.

        Raises ValueError as `require_model` does, and for a network that gives NaN.
        """
        found = self._said(method, memory)
        match found.kind:
            case "choices":
                return self._listed(found.centre, memory, rng, deterministic)
            case "normal":
                return self._normal(found.centre, found.std, rng, deterministic)
            case "squashed":
                return self._squashed(found.centre, found.std, rng, deterministic)

    def log_density(
        self, method: Method | None, memory: Memory, *, deterministic: bool = False
    ) -> Float32[Tensor, "b k k"]:
        """How likely each legal fixation is to be where the next action leads, over the lattice.

        Of discrete actions: the probabilities of the places that can be chosen. Of continuous actions: the integral of
        the (squashed) normal over the actions that lead to each place; what is clipped, at the bounds of actions or at
        the border of the image, is counted where it ends. `deterministic`: all mass where the likeliest action leads.
        Errors as of `act`, and ValueError outside worlds of fixations.
        """
        lattice = require_lattice(self.world, "the density of policy 'sb3'")
        found, here = self._said(method, memory), memory.poses[:, -1]
        if deterministic:
            nothing = Draws.rows(0, len(here), device=here.device)
            action = self.act(method, memory, nothing, deterministic=True).action
            scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), here)
            return at(lattice, self.world.move(scene, here, action))
        if found.kind == "choices":
            assert self.discrete is not None
            return on_places(lattice, self.discrete.targets(memory.scenes), found.centre.log_softmax(1))
        return by_axes(lattice, lambda borders: self._below(found, borders.to(here.device) - here.double()[..., None]))

    def _below(self, found: "_Said", action: Float64[Tensor, "b 2 e"]) -> Float64[Tensor, "b 2 e"]:
        """How likely each component of an action is below these values, after clipping or squashing to its bounds."""
        low, high = self.world.action_bounds
        raw = action
        if found.kind == "squashed":
            raw = (2 * (action - low) / (high - low) - 1).clamp(-1, 1).atanh()
        share = torch.special.ndtr((raw - found.centre.double()[..., None]) / found.std.double()[..., None])
        return torch.where(action <= low, 0.0, torch.where(action > high, 1.0, share))

    @torch.no_grad()
    def _said(self, method: Method | None, memory: Memory) -> "_Said":
        """What the network says of the next action."""
        self.require_model(method)
        training = self.network.training
        self.network.set_training_mode(False)
        try:
            with checked_distributions():
                return self._asked(method if with_model(self.kind) else None, memory)
        except ValueError as error:
            if "invalid values" in str(error):  # how torch's distributions refuse parameters that are not finite
                raise ValueError(self._damaged) from error
            raise
        finally:
            self.network.set_training_mode(training)

    def _asked(self, method: Method | None, memory: Memory) -> "_Said":
        network, world = self.network, self.world
        first = 0 if isinstance(network, RecurrentActorCriticPolicy) else memory.views.shape[1] - 1
        seen = self._observations(method, memory, first)
        if not isinstance(network, ActorCriticPolicy | MaskableActorCriticPolicy):  # SAC, CrossQ: squashed normal
            actor: Any = network.get_submodule("actor")
            mean, log_std, _ = actor.get_action_dist_params(seen[-1])
            return _Said("squashed", self._sound(mean), log_std.to(world.device).exp())
        found: Any
        if isinstance(network, RecurrentActorCriticPolicy):
            found = _recurrent(network, seen)
        elif isinstance(network, MaskableActorCriticPolicy):
            masks: Any = self._masks(memory).to(network.device)  # SB3 takes tensors, too, but says arrays
            found = network.get_distribution(seen[-1], action_masks=masks)
        else:
            found = network.get_distribution(seen[-1])
        if self.discrete is None:
            mean, std = found.distribution.mean, found.distribution.stddev
            return _Said("normal", self._sound(mean), std.to(world.device))
        logits = self._sound(found.distribution.logits)
        return _Said("choices", logits, torch.zeros_like(logits))

    def _observations(self, method: Method | None, memory: Memory, first: int) -> list[Any]:
        """What the network observes after each view from the one numbered `first` on."""
        on = self.network.device
        if self.kind != "pixels":
            moments = self._moments.moments(method, memory, first)
            world, steps = self.world, self.episode_steps
            return [flat(self.kind, moment, world, memory.scenes, steps).to(on) for moment in moments]
        spaces = self.network.observation_space
        assert isinstance(spaces, Dict)
        found = []
        for i in range(first, memory.views.shape[1]):
            plain = pixels(list(spaces.spaces), self.world, memory, i)
            shaped = {  # SB3 puts the channels of images first
                key: value.permute(0, 3, 1, 2) if value.ndim == 4 and value.shape[1:] != spaces[key].shape else value
                for key, value in plain.items()
            }
            found.append({key: value.to(on) for key, value in shaped.items()})
        return found

    def _masks(self, memory: Memory) -> Tensor:
        assert self.discrete is not None
        everything = torch.ones(memory.poses.shape[:2], dtype=torch.bool, device=memory.poses.device)
        return self.discrete.masks(memory.scenes, memory.poses, everything)

    def _sound(self, parameters: Tensor) -> Tensor:
        """Parameters of a distribution on the world's device. Raises ValueError for NaN."""
        if not bool(torch.isfinite(parameters).all()):
            raise ValueError(self._damaged)
        return parameters.to(self.world.device)

    @property
    def _damaged(self) -> str:
        return f"policy 'sb3' ({self.name}) gives NaN: its weights or those of its world model are damaged"

    def _listed(self, logits: Tensor, memory: Memory, rng: Draws, deterministic: bool) -> Choice:
        assert self.discrete is not None
        choice, log_prob = _categorical(logits, rng, deterministic)
        return Choice(self.discrete.action(memory.scenes, memory.poses[:, -1], choice), log_prob)

    def _normal(self, mean: Tensor, std: Tensor, rng: Draws, deterministic: bool) -> Choice:
        """A normal deviate, clipped to the bounds of actions; the log-density is that of the deviate before."""
        low, high = self.world.action_bounds
        if deterministic:
            return Choice(mean.clamp(low, high), mean.new_zeros(len(mean)))
        noise = rng.normal(mean.shape[1])
        log_prob = _log_density(noise, std)
        return Choice((mean + std * noise).clamp(low, high), log_prob)

    def _squashed(self, mean: Tensor, std: Tensor, rng: Draws, deterministic: bool) -> Choice:
        """The hyperbolic tangent of a normal deviate, stretched to the bounds of actions."""
        low, high = self.world.action_bounds
        noise = torch.zeros_like(mean) if deterministic else rng.normal(mean.shape[1])
        raw = mean + std * noise
        action = (low + (raw.tanh() + 1) * (high - low) / 2).clamp(low, high)
        if deterministic:
            return Choice(action, mean.new_zeros(len(mean)))
        # log(1 - tanh²) written so that it does not cancel (Haarnoja et al. 2018, appendix C).
        bend = 2 * (math.log(2) - raw - torch.nn.functional.softplus(-2 * raw)) + math.log((high - low) / 2)
        return Choice(action, _log_density(noise, std) - bend.sum(1))


class AgentPolicy(Policy):
    """The present policy of an agent, as a policy of gazeworld for `collect`, probes and comparisons.

    It looks with the world model `method` (None: with the one that it is attached to) and samples from the stream that
    `act` is given; an agent that goes on learning acts as it has learnt so far.
    Raises ValueError for a world that the agent was not made for.
    """

    def __init__(self, agent: BaseAlgorithm, world: World, method: Method | None = None) -> None:
        self._actor, self._method = Actor.of(agent, world), method

    def attach(self, method: Method) -> None:
        """Look with this world model."""
        self._method = method

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The next action of every episode."""
        return self._actor.act(self._method, memory, rng)

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """Where the next action leads."""
        return self._actor.log_density(self._method, memory)


def _log_density(noise: Tensor, std: Tensor) -> Tensor:
    return (-noise.square() / 2 - std.log() - math.log(2 * math.pi) / 2).sum(1)


def _categorical(logits: Float[Tensor, "b k"], rng: Draws, deterministic: bool) -> tuple[Int64[Tensor, " b"], Tensor]:
    """A number of each row by inverting its distribution, and its log-probability."""
    if deterministic:
        return logits.argmax(1), logits.new_zeros(len(logits))
    running = logits.double().softmax(1).cumsum(1)
    choice = torch.searchsorted(running, rng.uniform64(1) * running[:, -1:], right=True)
    choice = choice.clamp_max(logits.shape[1] - 1)  # b 1
    return choice[:, 0], logits.log_softmax(1).gather(1, choice)[:, 0].float()


def _recurrent(network: RecurrentActorCriticPolicy, seen: list[Any]) -> Any:
    """The distribution after the whole episode so far; the recurrent state is computed anew from its beginning."""
    n = len(next(iter(seen[0].values())) if isinstance(seen[0], dict) else seen[0])
    layers, _, width = network.lstm_hidden_state_shape
    state: Any = (torch.zeros(layers, n, width, dtype=torch.float32, device=network.device),) * 2
    going, found = torch.zeros(n, dtype=torch.float32, device=network.device), None
    for observation in seen:
        found, state = network.get_distribution(observation, state, going)
    return found


def _build(data: dict[str, Any], world: World) -> BasePolicy:
    """The network that `policy.json` describes, with fresh weights."""
    env = ActiveVisionVectorEnv(1, world, episode_steps=data["episode_steps"], tensors=True)
    space = _as_sb3_sees(space_of(data["observation"], env, data["aggregate_dim"]))
    discrete = make_discrete_actions(world, data["discrete_actions"])
    actions = env.single_action_space if discrete is None else Discrete(discrete.size)
    algorithm = data["algorithm"]
    kind = ALGORITHMS[algorithm].policy_aliases[policy_name(algorithm, isinstance(space, Dict))]
    with seeded(0, torch.device("cpu")), SinglePrecision():
        return kind(space, actions, lambda _: 0.0, **decoded(data["policy"]))


def _require_sizes(value: Any, where: str) -> None:
    """Raise ValueError for a layer that no memory holds, before it is made."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        _require_sizes(part, f"{where}.{key}")
    if isinstance(value, int) and not 0 <= value <= _WIDEST:
        raise ValueError(f"{where} is {value}, expected 0 to {_WIDEST}")


def _as_sb3_sees(space: Space[Any]) -> Space[Any]:
    """The space after SB3's own wrapper, which puts the channels of images first if any of them stands last."""
    if not isinstance(space, Dict):
        return space
    images = {k: s for k, s in space.spaces.items() if isinstance(s, Box) and is_image_space(s)}
    if all(is_image_space_channels_first(s) for s in images.values()):
        return space
    return Dict({k: VecTransposeImage.transpose_space(images[k], k) if k in images else s for k, s in space.items()})


def _require_same(data: dict[str, Any], world: World, name: str) -> None:
    here = facts(world)
    for key, value in data["world"].items():
        if value != here.get(key):
            raise ValueError(
                f"policy 'sb3' ({name}) was trained for {key.replace('_', ' ')} {value}, "
                f"and {type(world).__name__} has {here.get(key)}"
            )
