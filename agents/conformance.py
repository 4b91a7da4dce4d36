"""Tests of conformance for policies and rewards, in any world, with or without a world model."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from gazeworld.envs.conformance import check_tensor, fail
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World
from gazeworld.models.method import Method

from .fixation_density import log_at
from .policy import Choice, Memory, Policy, begun, make_policy, stepped
from .rl.memory import Remember
from .rl.reward import Reward, make_reward
from .training.loop import collect

_ROWS, _STEPS = 6, 3
_SLACK = 1e-6  # how far an action may lie outside its bounds, for rounding
_CLOSE = 1e-4  # how far results may lie apart that are computed in batches of another size


def check_policy(
    policy: str | Callable[..., Policy],
    world: World,
    *,
    method: Method | None = None,
    seed: int = 0,
    **options: Any,
) -> None:
    """Check that a policy keeps the contract of `Policy`: its name (or MODULE:CLASS), its class, or what makes one.

    It is made for `world` with `options` and looks around in it; `method` is the world model that it is attached to,
    if it needs one. Checked are that actions are of the right shape and within bounds; that they repeat, take all
    their randomness from `rng`, change nothing in the memory, and do not depend on the rows beside them; that what the
    policy says of the next fixation, where it does, is a distribution in which what it does is possible; that learning
    gives numbers; and that `collect` takes the policy. Raises ConformanceError.
    """
    name = policy if isinstance(policy, str) else getattr(policy, "__name__", repr(policy))
    made = make_policy(policy, world, **options) if isinstance(policy, str) else policy(world, **options)
    if not isinstance(made, Policy):
        fail(f"{name} made {type(made).__name__}, expected a class derived from gazeworld.agents.Policy")
    if method is not None:
        made.attach(method)
    memory = _looked(world, seed, views=1)
    for views in range(1, _STEPS + 1):
        memory = _looked(world, seed, views)
        _check_choice(made, world, memory, Draws.rows(seed + 1, _ROWS, device=world.device).fold(views), name)
        _check_density(made, world, memory, Draws.rows(seed + 1, _ROWS, device=world.device).fold(views), name)
    unknown = torch.full_like(memory.scenes, -1)
    told = made.learn(Stream(memory.views, memory.actions, memory.poses, unknown, memory.scenes))
    _check_numbers(told, f"{name}.learn()")
    env = ActiveVisionVectorEnv(_ROWS, world, episode_steps=_STEPS, tensors=True)
    env.reset(seed=seed)
    collect(env, made, _STEPS + 1, Draws.rows(seed, _ROWS, device=world.device))


def check_reward(
    reward: str | Callable[..., Reward],
    world: World,
    *,
    method: Method | None = None,
    seed: int = 0,
    **options: Any,
) -> None:
    """Check that a reward keeps the contract of `Reward`: its name (or MODULE:CLASS), its class, or what makes one.

    It is put around environments over `world`, with `options`; `method` is the world model that it judges with, if it
    needs one. Checked are that rewards are finite and one for each row, the same in all autoreset modes and again, 0
    in a step that only resets, and told in `info`; that `weight` weighs them; that what is learnt beforehand is told
    in numbers; and that a state dict is the whole of what was learnt. Raises ConformanceError.
    """
    name = reward if isinstance(reward, str) else getattr(reward, "__name__", repr(reward))

    def make(mode: AutoresetMode, **more: Any) -> Reward:
        env = ActiveVisionVectorEnv(_ROWS, world, episode_steps=_STEPS, tensors=True, autoreset_mode=mode)
        around, asked = Remember(env, method), {**options, **more}
        made = make_reward(reward, around, **asked) if isinstance(reward, str) else reward(around, **asked)
        if not isinstance(made, Reward):
            fail(f"{name} made {type(made).__name__}, expected a class derived from gazeworld.agents.Reward")
        if not isinstance(getattr(made, "name", None), str):
            fail(f"{name} has no name, expected text as in `name = 'coverage'`")
        return made

    weight = float(options.get("weight", 1.0))
    paid = {mode: _paid(make(mode), world, seed, name) for mode in AutoresetMode}
    first = paid[AutoresetMode.SAME_STEP]
    for mode, other in paid.items():
        if not torch.allclose(first, other, atol=_CLOSE):
            fail(f"{name} pays something else with {mode} than with {AutoresetMode.SAME_STEP}")
    twice = _paid(make(AutoresetMode.SAME_STEP, weight=2 * weight), world, seed, name)
    if not torch.allclose(2 * first, twice, atol=_CLOSE):
        fail(f"{name} does not pay twice as much with twice the weight")
    trained, fresh = make(AutoresetMode.SAME_STEP), make(AutoresetMode.SAME_STEP)
    _check_numbers(trained.prepare(_streams(world, seed)), f"{name}.prepare()")
    _paid(trained, world, seed + 1, name)
    fresh.load_state_dict(trained.state_dict())
    if not torch.allclose(_paid(fresh, world, seed, name), _paid(trained, world, seed, name), atol=_CLOSE):
        fail(f"{name}: another one with the same state dict pays something else, so the state is not whole")


def _looked(world: World, seed: int, views: int) -> Memory:
    """The memory of episodes of so many views, at random places."""
    rng = Draws.rows(seed, _ROWS, device=world.device)
    scene = world.scene(torch.arange(_ROWS, device=world.device) % world.size, rng)
    memory = begun(world, scene)
    low, high = world.action_bounds
    for step in range(1, views):
        pose = memory.poses[:, -1]
        there = world.random_pose(dataclasses.replace(scene, pose=pose), rng.fold(step))
        memory = stepped(world, memory, world.difference(pose, there).clamp(low, high))
    return memory


def _check_choice(policy: Policy, world: World, memory: Memory, rng: Draws, name: str) -> None:
    kept = [one.clone() for one in _parts(memory)]
    state, numpy = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    choice, again = policy.act(memory, rng), policy.act(memory, rng)
    if not torch.equal(state, torch.get_rng_state()) or numpy != str(np.random.get_state()):  # noqa: NPY002
        fail(f"{name}.act draws from global generators; all randomness comes from `rng`")
    if not isinstance(choice, Choice):
        fail(f"{name}.act gave {type(choice).__name__}, expected a Choice")
    check_tensor(choice.action, f"{name}.act().action", (len(rng), world.action_dim), "float32")
    if not isinstance(choice.log_prob, Tensor) or tuple(choice.log_prob.shape) != (len(rng),):
        fail(f"{name}.act().log_prob is no tensor of {len(rng)} numbers")
    low, high = world.action_bounds
    if float(choice.action.min()) < low - _SLACK or float(choice.action.max()) > high + _SLACK:
        fail(f"{name}.act gives actions outside of the world's action_bounds, [{low}, {high}]")
    if not torch.equal(choice.action, again.action):
        fail(f"{name}.act gives another action for the same memory and the same `rng`")
    if not all(map(torch.equal, kept, _parts(memory))):
        fail(f"{name}.act changes the memory that it is given")
    few = torch.tensor([len(rng) - 1, 0], device=world.device)
    part = policy.act(Memory(*(one[few] for one in _parts(memory))), rng[few])
    if not torch.allclose(part.action, choice.action[few], atol=_CLOSE):
        fail(f"{name}.act chooses something else for a row when other rows are beside it")


def _check_density(policy: Policy, world: World, memory: Memory, rng: Draws, name: str) -> None:
    """What the policy says of the next fixation: a distribution, and one in which what it does can happen."""
    if (lattice := world.lattice) is None or type(policy).log_density is Policy.log_density:
        return
    log_p = policy.log_density(memory)
    shape = (len(rng), lattice.count, lattice.count)
    if not isinstance(log_p, Tensor) or tuple(log_p.shape) != shape or log_p.dtype != torch.float32:
        fail(f"{name}.log_density gave no float32 tensor of shape {shape}")
    if bool(log_p.isnan().any()) or float(log_p.flatten(1).logsumexp(1).abs().max()) > _CLOSE:
        fail(f"{name}.log_density gives no log-probabilities whose exponentials sum to 1 over the legal fixations")
    here = memory.poses[:, -1]
    scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), here)
    places = lattice.places(world.move(scene, here, policy.act(memory, rng).action))
    done = log_at(log_p, places)
    if not policy.tempered and bool((done == -torch.inf).any()):
        fail(f"{name}.log_density says that what {name}.act does is impossible")


def _parts(memory: Memory) -> list[Tensor]:
    return [memory.views, memory.actions, memory.poses, memory.scenes]


def _check_numbers(told: Any, what: str) -> None:
    good = isinstance(told, dict) and all(isinstance(value, float | int) for value in told.values())
    if not good:
        fail(f"{what} gave {told!r:.80}, expected a dictionary of names to numbers")


def _paid(env: Reward, world: World, seed: int, name: str) -> Tensor:
    """What two episodes pay, step by step, in any autoreset mode."""
    mode, key, found = AutoresetMode(env.metadata["autoreset_mode"]), f"reward/{env.name}", []
    env.reset(seed=seed)
    for episode in range(2):
        for step in range(_STEPS):
            _, reward, _, _, info = env.step(_actions(world, 100 * episode + step))
            check_tensor(reward, f"the reward of {name}", (_ROWS,), "float32")
            if not {key, f"_{key}"} <= info.keys():
                fail(f"{name} does not tell what it paid in info[{key!r}], with its mask")
            if not torch.allclose(env.weight * info[key], reward, atol=_CLOSE):
                fail(f"{name} pays {reward.tolist()}, which is not {env.weight} times info[{key!r}]")
            found.append(reward)
        if mode is AutoresetMode.NEXT_STEP and env.step(_actions(world, 99))[1].any():
            fail(f"{name} pays for a step that only resets (NEXT_STEP)")
        if mode is AutoresetMode.DISABLED:
            env.reset(options={"reset_mask": np.ones(_ROWS, dtype=bool)})
    return torch.stack(found)


def _actions(world: World, number: int) -> Tensor:
    low, high = world.action_bounds
    rng = Draws.rows(0, _ROWS, device=world.device).fold(number)
    return low + (high - low) * rng.uniform(world.action_dim)


def _streams(world: World, seed: int) -> Stream:
    """Streams to learn from beforehand, looked at uniformly."""
    env = ActiveVisionVectorEnv(4 * _ROWS, world, episode_steps=_STEPS, tensors=True)
    env.reset(seed=seed)
    return collect(env, make_policy("uniform", world), _STEPS + 1, Draws.rows(seed, 4 * _ROWS, device=world.device))
