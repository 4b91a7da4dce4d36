"""Joint training in alternating phases: the world model learns while the policy is frozen, then the other way round.

Phase k is a function of what was saved after phase k − 1 and of (seed, k): streams are drawn by step as in the loop,
batches of the replay and the global generators that Stable-Baselines3 draws from are seeded, and the policy's episodes
begin anew. So n phases, a restart and n phases are 2 n phases, bit for bit on one device with one number of threads:
for PPO, RecurrentPPO and MaskablePPO with constant learning rates and, because the replay is saved with them, for SAC
and CrossQ. (SB3 adds up the steps of all phases, so that its own schedules begin phase k near 1 / (k + 1) and run to
0.) What is not saved are SB3's statistics of the last episodes, which are begun anew in each phase, too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.models.method import CheckpointError

from ..config import PhaseConfig, TrainConfig
from ..training import checkpoint, loop
from ..training.interrupt import interruptible
from ..training.recorder import Recorder
from .acting import AgentPolicy
from .algorithms import BaseAlgorithm
from .memory import memory_of
from .replay import StreamReplay
from .reward import Reward, restore_rewards, rewards_of, save_rewards
from .saving import adapter_of, restore_agent, save_agent
from .train_policy import learn, mixed, rehearse, require_finite, standardise

_REPLAY = "replay.safetensors"


@dataclass(frozen=True)
class JointTraining:
    """The live objects of alternating training.

    `session` holds the world model, its optimiser and the environment that its streams come from; `agent` acts in an
    SB3VecEnv whose Remember looks with the same world model. `replay` holds at least one batch.
    Raises ValueError where these do not belong together, and for several processes.
    """

    session: loop.Session
    agent: BaseAlgorithm
    replay: StreamReplay

    def __post_init__(self) -> None:
        if self.session.fabric.world_size > 1:
            raise ValueError("alternating phases run in one process: the replay and the agent are not shared")
        memory = memory_of(adapter_of(self.agent).env, "alternating phases")
        if memory.method is not self.session.module:
            raise ValueError("the agent's environment must look with the world model that is being trained")
        batch = self.session.env.num_envs
        if self.replay.capacity < batch:
            raise ValueError(f"a replay of {self.replay.capacity} streams, expected at least a batch of {batch}")

    @property
    def rewards(self) -> list[Reward]:
        """The rewards that the agent is trained with, innermost first."""
        return rewards_of(adapter_of(self.agent).env)


def alternate(
    joint: JointTraining, phases: PhaseConfig, config: TrainConfig, folder: Path, recorder: Recorder, start: int = 0
) -> int:
    """Run phases `start` … `phases.phases` − 1, with a checkpoint in `folder` after each; gives how many are done.

    `config` says how the world model is trained; its number of steps is that of the phases. Ctrl-C finishes the phase,
    saves and returns early. Raises NonFiniteLossError for a loss, NonFinitePolicyError for a policy that is not finite.
    """
    phase = start
    with interruptible() as stop:
        while phase < phases.phases and not stop.is_set():
            recorder.now(f"phase {phase + 1} of {phases.phases}: the world model learns")
            _model_phase(joint, phases, config, folder, recorder, phase)
            recorder.now(f"phase {phase + 1} of {phases.phases}: the policy learns")
            values = _policy_phase(joint, phases, phase)
            phase += 1
            require_finite(joint.agent, f"phase {phase}", folder)
            step = phase * phases.model_steps
            loop.require_sound(joint.session.module, step, folder)
            recorder.scalars(step, values)
            recorder.say(f"phase {phase}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
            loop.invite(
                joint.session, recorder, step, folder
            )  # before saving: what is resumed keeps all that led to it
            save(joint, phases, folder, phase)
    if phase < phases.phases:
        recorder.say(f"stopped after phase {phase} of {phases.phases}; everything is saved")
    return phase


def save(joint: JointTraining, phases: PhaseConfig, folder: Path, phase: int) -> None:
    """Write everything after `phase` phases into `folder/step-…` at once, and delete all but the newest checkpoints.

    Beside the files of the loop's checkpoints (method, optimiser, state) there are those of the policy and the agent
    (`saving`), the heads of the rewards and the replay; no part is seen without the others.
    """
    session, step = joint.session, phase * phases.model_steps
    state = {
        **loop.state_of(session),
        "step": step,
        "steps": phases.phases * phases.model_steps,
        "phase": phase,
        "policy_steps": joint.agent.num_timesteps,
    }
    with checkpoint.drafted(folder, step, phases.keep) as draft:
        checkpoint.write(draft, session.module, session.optimiser, state)
        save_agent(joint.agent, draft)
        save_rewards(joint.rewards, draft)
        checkpoint.put(joint.replay.state_dict(), draft / _REPLAY)


def restore(joint: JointTraining, folder: Path) -> int:
    """Fill a joint training, made as the saved one was, from the newest checkpoint of `folder`; gives the phases done.

    Without a checkpoint nothing is changed and 0 returned. Raises CheckpointError for files that are damaged or of
    another configuration.
    """
    found = checkpoint.latest(folder)
    if found is None:
        return 0
    state, session = found.state(), joint.session
    if state.get("phase") is None:
        raise CheckpointError(f"{found.path}: a checkpoint of plain training, expected one of alternating phases")
    loop.restore(session, found)
    restore_agent(joint.agent, found.path)
    restore_rewards(joint.rewards, found.path)
    file = found.path / _REPLAY
    try:
        joint.replay.load_state_dict(checkpoint.read(file), session.env.world.device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(str(error) if str(error).startswith(str(file)) else f"{file}: {error}") from error
    return int(state["phase"])


def _model_phase(
    joint: JointTraining, phases: PhaseConfig, config: TrainConfig, folder: Path, recorder: Recorder, phase: int
) -> None:
    """The world model learns from streams that the frozen policy looks at, and from the replay."""
    session, losses = joint.session, list[Tensor]()
    policy = session.policy if phase < phases.warmup else AgentPolicy(joint.agent, session.env.world, session.module)
    rows = Draws.rows(session.seed, session.env.num_envs, device=session.env.world.device).fold(loop.POLICY)
    total, first = phases.phases * phases.model_steps, phase * phases.model_steps
    pending: tuple[int, Tensor, Tensor] | None = None
    for step in range(first, first + phases.model_steps):
        stream = loop.collect(session.env, policy, config.observed + 1, rows.fold(step), {"episode": step})
        joint.replay.add(stream)
        if phases.replay:
            generator = torch.Generator().manual_seed(mixed(session.seed, step, 1))
            stream = joint.replay.sample(len(stream.scenes), generator)
        loss = loop.take_step(session, config, stream, step, step / total)
        loop.require_finite(pending, folder)
        pending = (step, loss, stream.scenes)
        losses.append(loss)
        if (step + 1) % config.log_every == 0 or step + 1 == first + phases.model_steps:
            loop.require_finite(pending, folder)
            loop.log(session, recorder, step + 1, losses, stream, folder)
            losses = []
        recorder.tick(step + 1)
    loop.require_finite(pending, folder)


def _policy_phase(joint: JointTraining, phases: PhaseConfig, phase: int) -> dict[str, float]:
    """The heads of the rewards learn from recent streams, then the policy learns; the world model stays as it is."""
    agent, values = joint.agent, dict[str, float]()
    if phases.prepare:
        streams = joint.replay.newest(phases.prepare)
        for reward in joint.rewards:
            values |= reward.prepare(streams)
    seed = mixed(joint.session.seed, phase, 2)
    if phase == 0:  # only now does the world model show what is worth standardising
        standardise(agent, rehearse(agent, seed))
    returns = learn(agent, phases.policy_steps, seed, agent._stats_window_size)
    if returns:
        values["policy/return"] = float(np.mean(returns))
    losses = {name: float(x) for name, x in agent.logger.name_to_value.items() if name.startswith("train/")}
    values |= {f"policy/{name.removeprefix('train/')}": value for name, value in losses.items()}
    return {**values, "policy/steps": float(agent.num_timesteps)}
