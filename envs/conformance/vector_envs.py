"""A conformance test for Gymnasium vector environments, for ours and for anybody's."""

from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from . import fail

_AFTER = 3  # steps that a rollout goes on after the first end of an episode


@dataclass(frozen=True)
class _Call:
    """A copy of what one call returned, and the `live` objects; `before`: rows whose episode had ended just before."""

    name: str
    live: tuple[Any, Any, Any]
    observation: Any
    info: dict[str, Any]
    before: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def over(self) -> np.ndarray:
        return self.terminated | self.truncated


def check_vector_env(
    env: Any,
    *,
    factory: Callable[[int], VectorEnv] | None = None,
    seed: int = 123,
    max_steps: int = 500,
    stochastic: bool = True,
    ignore_info: Collection[str] = (),
) -> None:
    """Check that a vector environment with NumPy observations keeps Gymnasium's contract (1.1 or later).

    Checked are spaces, metadata, types, shapes and dtypes, that seeded rollouts repeat and rows differ, that calls
    return fresh objects, that infos are paired with masks, and what the autoreset mode in the metadata promises.
    `factory(n)` makes the same environment with n rows: then, too, row i has to be seeded with seed + i and may not
    depend on how many run beside it (Gymnasium's SyncVectorEnv keeps this; some native vector environments do not).
    At least one episode has to end within `max_steps` random actions. `stochastic` is False for an environment in
    which all resets are alike; `ignore_info` names infos that may differ between equal rollouts.
    The environment is left somewhere in an episode. Raises ConformanceError, an AssertionError.
    """
    if not isinstance(env, VectorEnv):
        fail(f"{type(env).__name__} is not a gymnasium.vector.VectorEnv")
    mode = _check_description(env)
    actions = _sample(env, seed, max_steps)
    calls = _play(env, seed, actions)
    _check_fresh(calls)
    again = _play(env, seed, actions)
    if len(calls) != len(again):
        fail(f"the same seed and actions gave {len(calls)} calls, then {len(again)}")
    for one, other in zip(calls, again, strict=True):
        _check_equal(one, other, ignore_info)
    if stochastic and env.num_envs > 1:
        _check_differ(env, calls)
    if mode is AutoresetMode.NEXT_STEP:
        _check_next_step(env, seed, actions, calls)
    elif mode is AutoresetMode.SAME_STEP:
        _check_same_step(calls, stochastic)
    else:
        _check_disabled(env, seed, actions, len(calls) - 1)
    if factory is not None:
        _check_rows(env, factory, seed, actions, calls)
        _check_seeds(env, seed, calls[0])


def _check_description(env: VectorEnv) -> AutoresetMode:
    n = env.num_envs
    if not isinstance(n, int):
        fail(f"num_envs is {n!r}, expected an integer")
    if n < 1:
        fail(f"num_envs is {n}, expected 1 or more")
    for name in ("observation_space", "action_space"):
        single, batched = getattr(env, f"single_{name}"), getattr(env, name)
        expected = batch_space(single, n)
        if batched != expected:
            fail(f"{name} is {batched}, expected single_{name} batched {n} times, {expected}")
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        fail(f"metadata['autoreset_mode'] is {mode!r}, expected an AutoresetMode")
    return mode


def _sample(env: VectorEnv, seed: int, count: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def _play(env: VectorEnv, seed: int, actions: list[Any]) -> list[_Call]:
    """Reset and step, checking each return, until a little after an episode ended (or there, where none follows)."""
    mode = env.metadata["autoreset_mode"]
    calls, last = [_reset(env, seed)], len(actions)
    for i, action in enumerate(actions):
        if i >= last:
            return calls
        calls.append(_step(env, action, calls[-1].over, f"step {i + 1}"))
        if calls[-1].over.any() and last == len(actions):
            last = i + 1 if mode is AutoresetMode.DISABLED else i + 1 + _AFTER
    if last >= len(actions) and not calls[-1].over.any():
        fail(f"no episode ended within {len(actions)} steps, so that autoreset cannot be checked; raise max_steps")
    return calls


def _reset(env: VectorEnv, seed: int | None = None, options: dict[str, Any] | None = None) -> _Call:
    name = f"reset(seed={seed})"
    result = env.reset(seed=seed, options=options)
    good = isinstance(result, tuple) and len(result) == 2
    if not good:
        fail(f"{name} returned {type(result)}, expected a tuple (observation, info)")
    none = np.zeros(env.num_envs, dtype=bool)
    return _checked(env, _Call(name, (*result, None), *deepcopy(result), none, none.astype(float), none, none))


def _step(env: VectorEnv, action: Any, before: np.ndarray, name: str) -> _Call:
    result = env.step(action)
    good = isinstance(result, tuple) and len(result) == 5
    if not good:
        fail(f"{name} returned {type(result)}, expected a tuple of five")
    observation, reward, terminated, truncated, info = result
    for what, value, kind in (
        ("rewards", reward, "f"),
        ("terminations", terminated, "b"),
        ("truncations", truncated, "b"),
    ):
        if not isinstance(value, np.ndarray):
            fail(f"{what} of {name} are {type(value)}, expected a NumPy array")
        if value.shape != (env.num_envs,):
            fail(f"{what} of {name} have shape {value.shape}, expected (num_envs,)")
        names = {"f": "a floating type", "b": "bool"}
        if value.dtype.kind != kind:
            fail(f"{what} of {name} have dtype {value.dtype}, expected {names[kind]}")
    ends = (before.copy(), reward.copy(), terminated.copy(), truncated.copy())
    return _checked(env, _Call(name, (observation, info, reward), *deepcopy((observation, info)), *ends))


def _checked(env: VectorEnv, call: _Call) -> _Call:
    _check_in(call.observation, env.observation_space, f"the observation of {call.name}")
    if not isinstance(call.info, dict):
        fail(f"the info of {call.name} is {type(call.info)}, expected a dict")
    _check_masks(call.info, env.num_envs, f"info of {call.name}", top=True)
    return call


def _check_in(value: Any, space: spaces.Space, where: str) -> None:
    if isinstance(space, spaces.Dict):
        if not isinstance(value, dict):
            fail(f"{where} is {type(value)}, expected a dict")
        if value.keys() != space.keys():
            fail(f"{where} has keys {sorted(value)}, expected {sorted(space.keys())}")
        for key, part in space.items():
            _check_in(value[key], part, f"{where}, {key!r},")
    elif isinstance(space, spaces.Tuple):
        if not isinstance(value, tuple):
            fail(f"{where} is {type(value)}, expected a tuple")
        for i, (item, part) in enumerate(zip(value, space.spaces, strict=True)):
            _check_in(item, part, f"{where}, part {i},")
    elif isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        if not isinstance(value, np.ndarray):
            fail(f"{where} is {type(value)}, expected a NumPy array")
        if value.dtype != space.dtype:
            fail(f"{where} has dtype {value.dtype}, expected {space.dtype}")
        if value.shape != space.shape:
            fail(f"{where} has shape {value.shape}, expected {space.shape}")
        if not space.contains(value):
            fail(f"{where} is not within its space {space}")
    else:
        if not space.contains(value):
            fail(f"{where} is not within its space {space}")


def _check_masks(info: dict[str, Any], n: int, where: str, top: bool) -> None:
    """Every key has its mask, and every mask its key; the inner keys of a nested info may do without masks."""
    for key, value in info.items():
        if key.startswith("_"):
            if key[1:] not in info:
                fail(f"{where} has the mask {key!r} but no {key[1:]!r}")
            good = isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.shape == (n,)
            if not good:
                fail(f"{where}, {key!r}, is no boolean array of shape ({n},)")
            continue
        if top and f"_{key}" not in info:
            fail(f"{where} has {key!r} but not its mask '_{key}'")
        if isinstance(value, dict):
            _check_masks(value, n, f"{where}, {key!r}", top=False)
        else:
            good = isinstance(value, np.ndarray) and value.ndim >= 1 and len(value) == n
            if not good:
                fail(f"{where}, {key!r}, is no array of {n} rows")


def _check_fresh(calls: list[_Call]) -> None:
    """No two calls return (parts of) the same array, and nothing returned changes later."""
    names = ("observation", "info", "reward")
    for one, other in pairwise(calls):
        for what, old, new in zip(names, one.live, other.live, strict=True):
            shared = any(np.may_share_memory(a, b) for a in _arrays(old) for b in _arrays(new))
            if shared:
                fail(
                    f"{one.name} and {other.name} returned {what}s that share memory; every call must return new arrays"
                )
    for call in calls:
        for what, live, copy in zip(names, call.live, (call.observation, call.info, call.reward), strict=True):
            if live is not None and not _same(live, copy):
                fail(
                    f"the {what} that {call.name} returned was changed by a later call; "
                    "every call must return new arrays"
                )


def _check_equal(one: _Call, other: _Call, ignore: Collection[str]) -> None:
    for what in ("observation", "reward", "terminated", "truncated"):
        if not _same(getattr(one, what), getattr(other, what)):
            fail(f"the {what} of {one.name} differs between two rollouts with the same seed and actions")
    infos = [{k: v for k, v in call.info.items() if k.removeprefix("_") not in ignore} for call in (one, other)]
    if not _same(*infos):
        fail(f"the info of {one.name} differs between two rollouts with the same seed and actions")


def _check_differ(env: VectorEnv, calls: list[_Call]) -> None:
    rows = [list(iterate(env.observation_space, call.observation)) for call in calls]
    alike = all(_same(row[0], other) for row in rows for other in row[1:])
    if alike:
        fail("all sub-environments show the same; each has to be seeded on its own, with seed + i")


def _check_seeds(env: VectorEnv, seed: int, start: _Call) -> None:
    later = _reset(env, seed + 1)
    for i in range(1, env.num_envs):
        if not _same(_row(start.observation, i), _row(later.observation, i - 1)):
            fail(
                f"row {i} of reset(seed={seed}) differs from row {i - 1} of reset(seed={seed + 1}); "
                "sub-environment i has to be seeded with seed + i"
            )


def _check_next_step(env: VectorEnv, seed: int, actions: list[Any], calls: list[_Call]) -> None:
    for call in calls:
        if "final_obs" in call.info:
            fail(f"{call.name} has 'final_obs', which belongs to SAME_STEP autoreset")
        if not call.before.any():
            continue
        if call.over[call.before].any():
            fail(f"{call.name} ends an episode in the step that resets it (NEXT_STEP)")
        if call.reward[call.before].any():
            fail(f"{call.name} gives a reward in the step that resets (NEXT_STEP)")
    others = _sample(env, seed + 1, len(calls))
    mixed = [_where(env, call.before, others[i], actions[i]) for i, call in enumerate(calls[1:])]
    last = next(i for i, call in enumerate(calls) if call.before.any())
    for i, call in enumerate([_reset(env, seed), *_steps(env, mixed[:last])]):
        if not _same(call.observation, calls[i].observation):
            fail(f"the actions of rows that {call.name} resets have an effect; NEXT_STEP autoreset has to ignore them")


def _steps(env: VectorEnv, actions: list[Any]) -> list[_Call]:
    none = np.zeros(env.num_envs, dtype=bool)
    return [_step(env, action, none, f"step {i + 1}") for i, action in enumerate(actions)]


def _check_same_step(calls: list[_Call], stochastic: bool) -> None:
    moved = False
    for call in calls:
        masks = [call.info.get(key, np.zeros_like(call.over)) for key in ("_final_obs", "_final_info")]
        for key, mask in zip(("final_obs", "final_info"), masks, strict=True):
            if not _same(mask, call.over):
                fail(f"'_{key}' of {call.name} is {mask}, expected True where episodes ended, {call.over} (SAME_STEP)")
        if not call.over.any():
            continue
        final = call.info["final_obs"]
        if final.dtype != object:
            fail(f"'final_obs' of {call.name} has dtype {final.dtype}, expected object")
        if not isinstance(call.info["final_info"], dict):
            fail(f"'final_info' of {call.name} is no dict")
        for row in range(len(final)):
            if not call.over[row]:
                if final[row] is not None:
                    fail(f"'final_obs' of {call.name} is not None in row {row}, which goes on")
                continue
            now = _row(call.observation, row)
            if _shapes(final[row]) != _shapes(now):
                fail(f"'final_obs' of {call.name} in row {row} is {_shapes(final[row])}, expected one observation")
            moved |= not _same(final[row], now)
    if not moved and stochastic:
        fail("observations after an end equal 'final_obs'; SAME_STEP autoreset has to return those of the next episode")


def _check_disabled(env: VectorEnv, seed: int, actions: list[Any], ended: int) -> None:
    """Partial resets, in the middle of an episode and at its end."""
    for at in sorted({1, ended}):
        start = _reset(env, seed)
        calls = [start, *_steps(env, actions[:at])]
        mask = calls[-1].over.copy() if calls[-1].over.any() else np.arange(env.num_envs) == 0
        part = _reset(env, seed, {"reset_mask": mask.copy()})
        for row in range(env.num_envs):
            expected, what = (start, "begin anew") if mask[row] else (calls[-1], "stay as it was")
            if not _same(_row(part.observation, row), _row(expected.observation, row)):
                fail(f"row {row} has to {what} when it is {'' if mask[row] else 'not '}in options['reset_mask']")
        for key, value in part.info.items():
            if key.startswith("_") and value[~mask].any():
                fail(f"{key!r} is True in rows that options['reset_mask'] left out")
        after = _step(env, actions[0], calls[-1].over & ~mask, "the step after a partial reset")
        if after.over[mask].any() and ended != 1:
            fail("a row that was just reset ends at once")


def _check_rows(
    env: VectorEnv, factory: Callable[[int], VectorEnv], seed: int, actions: list[Any], calls: list[_Call]
) -> None:
    for n in {1, env.num_envs + 1}:
        other = factory(n)
        if other.num_envs != n:
            fail(f"factory({n}) made {other.num_envs} environments")
        common, place = min(n, env.num_envs), np.arange(n) % env.num_envs
        pick = [_rows(env, action, place) for action in actions[: len(calls) - 1]]
        none = np.zeros(n, dtype=bool)
        for i, call in enumerate(calls):
            # With DISABLED autoreset a rollout ends at the first end among `env`'s rows: any row can still step here.
            now = _reset(other, seed) if i == 0 else _step(other, pick[i - 1], none, f"step {i}")
            for row in range(common):
                if not _same(_row(now.observation, row), _row(call.observation, row)):
                    fail(f"row {row} at {call.name} differs between {n} and {env.num_envs} environments")
            if now.over.any() and other.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
                break
        other.close()


def _rows(env: VectorEnv, actions: Any, place: np.ndarray) -> Any:
    """A batch of actions made of these rows of another one."""
    items = list(iterate(env.action_space, actions))
    empty = create_empty_array(env.single_action_space, len(place))
    return concatenate(env.single_action_space, [items[i] for i in place], empty)


def _where(env: VectorEnv, mask: np.ndarray, yes: Any, no: Any) -> Any:
    pairs = zip(mask, iterate(env.action_space, yes), iterate(env.action_space, no), strict=True)
    items = [one if chosen else other for chosen, one, other in pairs]
    return concatenate(env.single_action_space, items, create_empty_array(env.single_action_space, len(mask)))


def _row(value: Any, row: int) -> Any:
    if isinstance(value, dict):
        return {key: _row(part, row) for key, part in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray | dict | tuple):
        return tuple(_row(part, row) for part in value)
    return value[row]


def _shapes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shapes(part) for key, part in sorted(value.items())}
    if isinstance(value, tuple):
        return tuple(_shapes(part) for part in value)
    return np.shape(value), np.asarray(value).dtype.str


def _arrays(value: Any) -> list[np.ndarray]:
    """All arrays in something returned."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [value]
    if isinstance(value, dict):
        return [array for part in value.values() for array in _arrays(part)]
    if isinstance(value, list | tuple | np.ndarray):
        return [array for part in value for array in _arrays(part)]
    return []


def _same(one: Any, other: Any) -> bool:
    """Equal in type, shape and every bit of content; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) or (isinstance(one, np.ndarray) and one.dtype == object):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    return bool(one == other)
