"""Alternating phases: who is frozen when, one checkpoint for everything, and resuming bit for bit."""

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.images import noise
from lightning_fabric import Fabric
from rich.console import Console
from safetensors.torch import load_file, save_file

from gazeworld.agents.config import AgentConfig, PhaseConfig, TrainConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.rl import alternate
from gazeworld.agents.rl.acting import AgentPolicy
from gazeworld.agents.rl.algorithms import agent_for
from gazeworld.agents.rl.replay import StreamReplay
from gazeworld.agents.rl.train_policy import NonFinitePolicyError
from gazeworld.agents.training import checkpoint, loop
from gazeworld.agents.training.checkpoint import made_for
from gazeworld.agents.training.optimiser import make_optimiser
from gazeworld.agents.training.recorder import Recorder
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import CheckpointError, Method

METHOD = {
    "name": "seq-jepa",
    "encoder": "small",
    "dim": 8,
    "width": 4,
    "action_width": 8,
    "predictor_hidden": 16,
    "dropout": 0.1,
}
TRAIN = TrainConfig(steps=1, batch=6, observed=2, lr=1e-2, log_every=2)
PHASES = PhaseConfig(phases=2, model_steps=2, policy_steps=48, warmup=1, replay=20, prepare=12, keep=0)
GRID = {"name": "fixations", "side": 5}
ON, OFF = {"n_steps": 3, "batch_size": 24, "n_epochs": 1}, {"learning_starts": 24, "buffer_size": 80, "batch_size": 8}


def joint(
    algorithm: str = "ppo", discrete: Any = GRID, options: dict[str, Any] | None = None
) -> alternate.JointTraining:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    torch.manual_seed(0)
    module = made_for(METHOD, world)
    env = ActiveVisionVectorEnv(6, world, episode_steps=2, tensors=True, autoreset_mode="Disabled")
    env.reset(seed=5)
    fabric = Fabric(accelerator="cpu", devices=1)
    method, optimiser = fabric.setup(module, make_optimiser(module, TRAIN))
    method.mark_forward_method("loss")
    session = loop.Session(fabric, method, module, optimiser, env, make_policy("uniform", world), 5)
    config = AgentConfig(
        algorithm,
        environments=8,
        discrete_actions=discrete,
        rewards=({"name": "recognition", "epochs": 2}, {"name": "inverse-dynamics", "epochs": 1}),
        policy={"net_arch": [16], **({"lstm_hidden_size": 8} if algorithm == "recurrent-ppo" else {})},
        options=options or ON,
    )
    return alternate.JointTraining(session, agent_for(config, world, module, seed=5), StreamReplay(20))


def run(pair: alternate.JointTraining, folder: Path, start: int = 0, phases: PhaseConfig = PHASES) -> int:
    record = Recorder(folder, start=start * phases.model_steps, steps=4, console=Console(file=StringIO()))
    try:
        return alternate.alternate(pair, phases, TRAIN, folder / "checkpoints", record, start)
    finally:
        record.close()


@pytest.mark.parametrize(
    ("algorithm", "discrete", "options"),
    [
        ("ppo", None, ON),
        ("maskable-ppo", GRID, ON),
        ("recurrent-ppo", GRID, ON),
        ("sac", None, OFF),
        ("crossq", None, OFF),
    ],
)
def test_resuming_gives_the_same_phases_bit_for_bit(
    algorithm: str, discrete: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    whole = joint(algorithm, discrete, options)
    assert run(whole, tmp_path / "whole") == 2
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints/step-00000004")
    torch.manual_seed(99)  # whatever state global generators are in must not matter
    cut = joint(algorithm, discrete, options)
    assert alternate.restore(cut, tmp_path / "cut/checkpoints") == 1
    assert run(cut, tmp_path / "cut", start=1) == 2
    last = "checkpoints/step-00000004"
    files = sorted(file.name for file in (tmp_path / "whole" / last).iterdir())
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "whole" / last / file).read_bytes() == (tmp_path / "cut" / last / file).read_bytes(), file
    metrics = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert metrics[0] == metrics[1]


def test_each_learns_while_the_other_is_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = joint()
    seen: list[str] = []

    def copied() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states = pair.session.module.state_dict(), pair.agent.policy.state_dict()
        return tuple({name: value.clone() for name, value in state.items()} for state in states)

    def differ(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
        return any(not torch.equal(a[name], b[name]) for name in a)

    for name, moved in (("_model_phase", (True, False)), ("_policy_phase", (False, True))):
        original = getattr(alternate, name)

        def watched(*args: Any, original: Any = original, moved: Any = moved, name: str = name) -> Any:
            before = copied()
            found = original(*args)
            after = copied()
            assert (differ(before[0], after[0]), differ(before[1], after[1])) == moved
            seen.append(name)
            return found

        monkeypatch.setattr(alternate, name, watched)
    assert run(pair, tmp_path) == 2
    assert seen == ["_model_phase", "_policy_phase"] * 2
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"train/loss", "policy/return", "reward/recognition_top1"} <= {key for line in lines for key in line}
    steps = [line["policy/steps"] for line in lines if "policy/steps" in line]
    assert steps == [48, 96]


def test_the_first_phases_look_with_the_scenarios_own_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, used = joint(), []
    original = loop.collect

    def watched(env: Any, policy: Any, *args: Any) -> Stream:
        used.append(type(policy).__name__)
        return original(env, policy, *args)

    monkeypatch.setattr(loop, "collect", watched)
    run(pair, tmp_path)
    assert used == ["UniformPolicy"] * 2 + ["AgentPolicy"] * 2


def test_a_checkpoint_serves_the_shelf_and_plain_loading(tmp_path: Path) -> None:
    pair = joint("maskable-ppo")
    run(pair, tmp_path, phases=PhaseConfig(**{**vars(PHASES), "phases": 1}))
    world = pair.session.env.world
    policy = make_policy("sb3", world, path=str(tmp_path))
    policy.attach(pair.session.module)
    stream = loop.collect(pair.session.env, policy, 3, Draws.rows(0, 6))
    live = loop.collect(pair.session.env, AgentPolicy(pair.agent, world, pair.session.module), 3, Draws.rows(0, 6))
    assert stream.views.shape == live.views.shape
    found = checkpoint.latest(tmp_path / "checkpoints")
    torch.manual_seed(1)
    module = made_for(METHOD, world)
    checkpoint.load_model(found, module)
    for a, b in zip(module.state_dict().values(), pair.session.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = joint()
    run(pair, tmp_path, phases=PhaseConfig(**{**vars(PHASES), "phases": 1, "keep": 1}))
    before = {file.name: file.read_bytes() for file in (tmp_path / "checkpoints/step-00000002").iterdir()}

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(alternate, "save_agent", full)
    with pytest.raises(OSError, match="no space left"):
        alternate.save(pair, PHASES, tmp_path / "checkpoints", 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]
    assert {file.name: file.read_bytes() for file in (tmp_path / "checkpoints/step-00000002").iterdir()} == before
    monkeypatch.undo()
    alternate.save(pair, PhaseConfig(**{**vars(PHASES), "keep": 1}), tmp_path / "checkpoints", 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]


def test_checkpoints_of_something_else_are_refused(tmp_path: Path) -> None:
    pair = joint()
    assert alternate.restore(pair, tmp_path) == 0
    run(pair, tmp_path, phases=PhaseConfig(**{**vars(PHASES), "phases": 1}))
    with pytest.raises(CheckpointError, match="of an agent with other options than this"):
        alternate.restore(joint("ppo", None), tmp_path / "checkpoints")
    made = tmp_path / "checkpoints/step-00000002"
    smaller = joint()
    with pytest.raises(CheckpointError, match="expected those of a capacity of 6"):
        alternate.restore(alternate.JointTraining(smaller.session, smaller.agent, StreamReplay(6)), made.parent)
    kept = (made / "rewards.safetensors").read_bytes()
    tensors = load_file(made / "rewards.safetensors")
    save_file({**tensors, "2/coverage/seen": torch.zeros(1)}, made / "rewards.safetensors")
    with pytest.raises(CheckpointError, match=r"holds 2/coverage/seen …, which is of none of the rewards asked for"):
        alternate.restore(joint(), made.parent)
    (made / "rewards.safetensors").write_bytes(kept)
    state = json.loads((made / "state.json").read_text())
    del state["phase"]
    (made / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="a checkpoint of plain training, expected one of alternating phases"):
        alternate.restore(joint(), made.parent)


def test_weights_that_are_not_finite_stop_with_the_facts(tmp_path: Path) -> None:
    pair = joint("sac", None, OFF)
    original = pair.agent.learn

    def damaged(*args: Any, **options: Any) -> Any:
        found = original(*args, **options)
        if pair.agent.num_timesteps > 48:
            next(pair.agent.policy.actor.parameters()).data.fill_(float("nan"))
        return found

    pair.agent.learn = damaged
    with pytest.raises(NonFinitePolicyError, match=r"weights \(actor.* are not finite after phase 2; .*step-00000002"):
        run(pair, tmp_path)
    assert [found.step for found in checkpoint.every(tmp_path / "checkpoints")] == [2]


def test_an_interrupt_finishes_the_phase(tmp_path: Path) -> None:
    import os
    import signal

    pair = joint()

    def interrupt(method: Method) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    session = loop.Session(**{**vars(pair.session), "guests": (interrupt,)})
    assert run(alternate.JointTraining(session, pair.agent, pair.replay), tmp_path) == 1
    assert alternate.restore(joint(), tmp_path / "checkpoints") == 1


def test_pairs_that_do_not_belong_together_are_refused() -> None:
    one, other = joint(), joint()
    with pytest.raises(ValueError, match="must look with the world model that is being trained"):
        alternate.JointTraining(one.session, other.agent, one.replay)
    with pytest.raises(ValueError, match="a replay of 5 streams, expected at least a batch of 6"):
        alternate.JointTraining(one.session, one.agent, StreamReplay(5))
    with pytest.raises(ValueError, match=r"phases\.model_steps is 0"):
        PhaseConfig(model_steps=0)
    with pytest.raises(ValueError, match=r"phases\.replay is -1"):
        PhaseConfig(replay=-1)
    with pytest.raises(ValueError, match=r"agent\.environments is 0"):
        AgentConfig(environments=0)
    with pytest.raises(ValueError, match=r"agent\.rewards holds .*colour.*, expected a 'name' in each"):
        AgentConfig(rewards=({"colour": 1},))
    with pytest.raises(ValueError, match="reward 'recognition' needs a world model"):
        agent_for(AgentConfig(), one.session.env.world, None)


def numbered(first: int, n: int, length: int = 3) -> Stream:
    """Streams that say their number in every field."""
    number = torch.arange(first, first + n)
    views = number.to(torch.uint8)[:, None, None, None, None].expand(n, length, 4, 4, 2).permute(0, 1, 4, 2, 3)
    many = number.float()[:, None, None]
    return Stream(views, many.expand(n, length - 1, 2), many.expand(n, length, 3), number, number)


def test_the_replay_is_a_ring_of_bytes() -> None:
    replay = StreamReplay(10)
    for first in range(0, 24, 4):
        replay.add(numbered(first, 4))
        kept = range(max(0, first + 4 - 10), first + 4)
        assert len(replay) == len(kept)
        assert replay.newest(100).labels.tolist() == list(kept)
        assert replay.newest(3).labels.tolist() == list(kept)[-3:]
    found = replay.sample(10, torch.Generator().manual_seed(0))
    assert sorted(found.scenes.tolist()) == list(kept)
    assert found.views.dtype == torch.uint8
    assert found.views.is_contiguous() or found.views.permute(0, 1, 3, 4, 2).is_contiguous()
    for part in (found.views[:, 0, 0, 0, 0], found.actions[:, 0, 0], found.poses[:, 2, 1], found.labels):
        assert part.tolist() == found.scenes.tolist()
    again = replay.sample(10, torch.Generator().manual_seed(0))
    assert torch.equal(again.scenes, found.scenes)
    copy = StreamReplay(10)
    copy.load_state_dict(replay.state_dict())
    for each in (replay, copy):
        each.add(numbered(24, 3))
    assert torch.equal(copy.newest(10).views, replay.newest(10).views)
    assert torch.equal(copy.sample(5, torch.Generator()).scenes, replay.sample(5, torch.Generator()).scenes)


def test_the_replay_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="capacity is 0, expected an integer of 1 or more"):
        StreamReplay(0)
    replay = StreamReplay(4)
    with pytest.raises(ValueError, match="the replay is empty"):
        replay.newest(2)
    with pytest.raises(ValueError, match="5 streams at once for a replay of 4"):
        replay.add(numbered(0, 5))
    replay.add(numbered(0, 2))
    with pytest.raises(ValueError, match="3 streams were asked for, and the replay holds 2"):
        replay.sample(3, torch.Generator())
    with pytest.raises(ValueError, match=r"the replay holds views of shape \(3, 4, 4, 2\), and these have"):
        replay.add(numbered(0, 2, length=2))
    with pytest.raises(CheckpointError, match=r"holds \['x'\], expected added"):
        replay.load_state_dict({"x": torch.zeros(1)})
