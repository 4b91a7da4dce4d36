"""What torch's default dtype is set to changes nothing: not a bit of an observation, a weight, a score."""

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from fakes.images import noise
from gymnasium.vector import AutoresetMode
from safetensors.torch import load_file
from torch import Tensor

from gazeworld.agents.policy import POLICIES, make_policy
from gazeworld.agents.probes.readouts import Budget, fit_classifier, fit_regressor, fit_ridge
from gazeworld.agents.rl.algorithms import make_agent
from gazeworld.agents.rl.vec_env import SB3VecEnv
from gazeworld.agents.training.loop import collect
from gazeworld.envs import registry
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.encoders import ENCODERS, make_encoder
from gazeworld.models.method import METHODS, Method, WorldSpec, make_method
from gazeworld.scenarios.commands._main import main

OTHERS = [torch.float64, torch.bfloat16]
WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "saccade": ("Saccade", {"source": "digits"}),
    "saccade, search": ("Saccade", {"source": "search", "noise": 0.1, "first": "centre"}),
    "saccade, saliency": ("Saccade", {"observe": ["saliency", "periphery"], "first": "saliency", "noise": 0.1}),
    "saccade, zeros": ("Saccade", {"padding": "zeros", "render_mode": "rgb_array"}),
    "augmentation": ("Augmentation", {"source": "digits", "size": 32}),
    "rotation": ("Rotation", {"source_options": {"per_family": 2, "size": 16, "views": 4}}),
}
TINY = [
    "--train.steps", "4", "--train.batch", "8", "--train.log-every", "2", "--train.save-every", "2",
    "--train.probe-every", "4", "--probe.online", "40", "--probe.scenes", "60", "--probe.repeats", "1",
    "--probe.epochs-linear", "3", "--probe.epochs-position", "3", "--probe.views", "2", "--device", "cpu",
]  # fmt: skip


FACTORIES = {"zeros", "ones", "empty", "full", "tensor", "rand", "randn", "linspace", "logspace", "eye"}
LAYERS = {"Linear", "Conv2d", "BatchNorm1d", "BatchNorm2d", "LayerNorm", "TransformerEncoderLayer", "Embedding"}
WHOLE = re.compile(r"torch.(full|tensor)\(.*|torch.empty\(0, device=found\)")
"""Whole numbers have a type of their own; and nothing looks at this empty one."""


def test_whatever_is_made_says_its_type() -> None:
    root = Path(__file__).parent.parent
    for file in (
        path for folder in ("envs", "models", "agents", "scenarios") for path in (root / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            of = (ast.unparse(node.func.value), node.func.attr)
            made = (of[0] == "torch" and of[1] in FACTORIES) or (of[0] == "nn" and of[1] in LAYERS)
            if not made or any(keyword.arg == "dtype" for keyword in node.keywords):
                continue
            plain = not any(isinstance(part, ast.Constant) and isinstance(part.value, float) for part in ast.walk(node))
            assert all((plain, WHOLE.fullmatch(ast.unparse(node)))), f"{file}:{node.lineno}: {ast.unparse(node)}"


def under(dtype: torch.dtype, made: Callable[[], Any]) -> Any:
    """What a call gives while this is the default."""
    torch.set_default_dtype(dtype)
    try:
        return made()
    finally:
        torch.set_default_dtype(torch.float32)


def leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every array, tensor and number of something nested."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{where}/{key}")
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from leaves(part, f"{where}/{i}")
    else:
        yield where, value


def same(one: Any, other: Any) -> None:
    for (where, left), (there, right) in zip(leaves(one), leaves(other), strict=True):
        assert where == there
        if isinstance(left, Tensor):
            left, right = left.detach(), right.detach()
            assert left.dtype == right.dtype, where
            assert torch.equal(left.nan_to_num(), right.nan_to_num()), where
        elif isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, where
            np.testing.assert_array_equal(left, right, err_msg=where)
        else:
            assert left == right or left != left, where


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("tensors", [False, True])
def test_episodes_are_the_same(name: str, tensors: bool, dtype: torch.dtype) -> None:
    world, options = WORLDS[name]

    def made() -> list[Any]:
        env = gymnasium.make_vec(f"gazeworld/{world}-v0", num_envs=3, episode_steps=3, tensors=tensors, **options)
        env.action_space.seed(0)
        calls = [env.reset(seed=3), *(env.step(env.action_space.sample()) for _ in range(5))]
        return [*calls, env.render()] if "render_mode" in options else calls

    same(made(), under(dtype, made))


def method_of(name: str, encoder: str = "small") -> Method:
    known = inspect.signature(registry.concrete(METHODS, name, Method)).parameters
    sizes = {"dim": 24, "width": 8, "action_width": 8, "predictor_hidden": 32, "head_hidden": 32}
    sizes |= {"projector_hidden": 32, "projector_out": 16, "transformer_width": 32, "pairs": 4, "context": 6}
    torch.manual_seed(0)
    spec = WorldSpec((1, 16, 16), 2, (0.4,), (0.2,))
    return make_method(name, spec, encoder=encoder, **{key: value for key, value in sizes.items() if key in known})


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
@pytest.mark.parametrize("name", registry.names(METHODS))
def test_methods_begin_and_learn_the_same(name: str, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)

    def made() -> list[Any]:
        method = method_of(name)
        t = min(method.most_views or 4, 4)
        views = torch.randint(0, 256, (8, t, 1, 16, 16), generator=g.manual_seed(1), dtype=torch.uint8)
        poses = torch.rand(8, t, 2, generator=g, dtype=torch.float32)
        start = {key: value.clone() for key, value in method.state_dict().items()}
        stream = Stream(views, poses.diff(dim=1), poses, torch.zeros(8).long(), torch.arange(8))
        optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], 1e-3)
        losses = []
        for _ in range(3):
            optimiser.zero_grad()
            loss, terms = method.loss(stream)
            loss.backward()
            optimiser.step()
            method.after_step(0.5)
            losses.append((loss, terms))
        seen = method.eval().represent(views, stream.actions)
        return [start, losses, method.state_dict(), seen.views, seen.aggregate]

    same(made(), under(dtype, made))


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders_begin_the_same(kind: str) -> None:
    def made() -> dict[str, Tensor]:
        torch.manual_seed(0)
        return make_encoder(kind, (1, 16, 16), dim=12, width=4)[0].state_dict()

    weights = made()
    same(weights, under(torch.float64, made))
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("name", ["uniform", "centre", "saliency", "dwell", "grid"])
def test_policies_choose_the_same(name: str) -> None:
    assert name in registry.names(POLICIES)

    def made() -> Any:
        env = ActiveVisionVectorEnv(4, source=noise(n=6, side=24), episode_steps=5, tensors=True)
        policy = make_policy(name, env.world)
        env.reset(seed=0)
        stream = collect(env, policy, 5, Draws.rows(3, 4), {"episode": 1})
        return [stream.views, stream.actions, stream.poses]

    same(made(), under(torch.float64, made))


def test_probes_fit_the_same() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 200, 12, generator=g)
    y, labels = x[..., :3] * 2 + 1, torch.randint(0, 4, (200,), generator=g)

    def made() -> list[Tensor]:
        heads = [fit_regressor(x, y, Budget(3)), fit_regressor(x, y, Budget(3), hidden=16), fit_ridge(x, y)]
        return [head(x) for head in [*heads, fit_classifier(x, labels, 4, Budget(3))]]

    same(made(), under(torch.float64, made))


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_agents_of_stable_baselines_are_the_same(algorithm: str) -> None:
    def made() -> dict[str, Tensor]:
        env = ActiveVisionVectorEnv(
            2, source=noise(n=6, side=24), episode_steps=3, tensors=True, autoreset_mode=AutoresetMode.SAME_STEP
        )
        options = {"n_steps": 6, "batch_size": 4} if algorithm == "ppo" else {"learning_starts": 4, "batch_size": 4}
        agent = make_agent(algorithm, SB3VecEnv(env), seed=0, device="cpu", **options)
        agent.set_random_seed(0)
        agent.learn(12)
        return agent.policy.state_dict()

    same(made(), under(torch.float64, made))


def test_a_training_with_probes_is_the_same(tmp_path: Path) -> None:
    def made(name: str) -> tuple[Any, Any, Any]:
        assert main(["train", "saccade-digits", "--runs", str(tmp_path), "--name", name, *TINY]) == 0
        folder = tmp_path / name
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        told = [{k: v for k, v in line.items() if not k.startswith(("time", "speed"))} for line in lines]
        weights = load_file(folder / "checkpoints" / "step-00000004" / "model.safetensors")
        probes = json.loads((folder / "probes.json").read_text(encoding="utf-8"))
        return told, weights, {key: value for key, value in probes.items() if key not in ("run", "seconds")}

    same(made("one"), under(torch.float64, lambda: made("two")))
