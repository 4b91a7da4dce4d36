"""The one loop: collect streams with a policy, update the method, probe, log, save; paced by clocks.

Every random number of step k is a function of (seed, k), so nothing but weights and optimiser state has to be saved
to resume exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from lightning_fabric import Fabric
from torch import Tensor, distributed

from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError, Method, frozen

from ..config import TrainConfig
from ..policy import Memory, Policy
from . import checkpoint
from .collapse_monitor import NonFiniteEmbeddingsError, effective_rank, spread
from .interrupt import interruptible
from .optimiser import set_learning_rate
from .recorded_streams import StreamSource
from .recorder import Recorder

POLICY = -1
"""Folded into the rows' streams for a policy's draws: environments fold in the episode, which is never negative."""


class NonFiniteLossError(RuntimeError):
    """Loss, embeddings or weights became NaN or infinite; the message names the step and the last good checkpoint."""


@dataclass(frozen=True)
class Session:
    """The live objects of one training run.

    `method` and `optimiser` are as Fabric wrapped them; `module` is the bare method, `seed` the run's, `first_row` the
    number of rows that earlier processes have. `guests` are called as guest(module) -> metrics at the probe clock.
    `resumed` says of every resumption from which step on, and with what, the run went on. `model` is what checkpoints
    say of the model, so that it can be used without the data (`runs.model_facts`; empty: nothing). Recorded `streams`
    are what the method learns from instead of what the policy sees now.
    """

    fabric: Fabric
    method: Any
    module: Method
    optimiser: torch.optim.Optimizer
    env: ActiveVisionVectorEnv
    policy: Policy
    seed: int
    first_row: int = 0
    guests: tuple[Callable[[Method], dict[str, float]], ...] = ()
    resumed: tuple[dict[str, Any], ...] = ()
    streams: StreamSource | None = None
    model: Mapping[str, Any] = field(default_factory=dict)


def collect(
    env: ActiveVisionVectorEnv, policy: Policy, length: int, rng: Draws, options: dict[str, Any] | None = None
) -> Stream:
    """One episode of `length` views from every sub-environment: a reset, then length − 1 actions of the policy.

    `env` must give tensors. The actions of the stream are the commanded displacements; poses are where the sensor was.
    Raises ValueError when the episode is longer than the environment's.
    """
    if length < 1:
        raise ValueError(f"a stream of {length} views was asked for, expected at least 1")
    if length > env.episode_steps + 1:
        raise ValueError(f"a stream of {length} views needs {length - 1} steps; the episode has {env.episode_steps}")
    observation, info = env.reset(options=options)
    n, (h, w, c) = env.num_envs, observation["view"].shape[1:]
    device = observation["view"].device
    views = torch.empty((n, length, h, w, c), dtype=torch.uint8, device=device)
    poses = torch.empty((n, length, observation["pose"].shape[1]), dtype=torch.float32, device=device)
    actions = torch.empty((n, length - 1, env.world.action_dim), dtype=torch.float32, device=device)
    views[:, 0], poses[:, 0] = observation["view"], observation["pose"]
    labels, scenes = info["label"], info["scene"]
    seen = views.permute(0, 1, 4, 2, 3)  # b t c h w, channels-last in memory
    for i in range(1, length):
        memory = Memory(seen[:, :i], actions[:, : i - 1], poses[:, :i], scenes)
        choice = policy.act(memory, rng.fold(i))
        observation, _, _, _, info = env.step(choice.action)
        views[:, i], poses[:, i], actions[:, i - 1] = (
            observation["view"],
            observation["pose"],
            info["commanded"],
        )
    return Stream(seen, actions, poses, labels, scenes)


def train(session: Session, config: TrainConfig, folder: Path, recorder: Recorder, start: int = 0) -> int:
    """Train from step `start` to `config.steps` and return the number of steps done.

    Ctrl-C finishes the step, saves and returns early; so do all processes when one of them is asked to. Raises
    NonFiniteLossError at the first loss that is not finite.
    """
    rows = Draws.rows(session.seed, session.env.num_envs, first=session.first_row, device=session.env.world.device)
    policy_rng = rows.fold(POLICY)
    losses: list[Tensor] = []
    pending: tuple[int, Tensor, Tensor] | None = None
    step = saved = start
    if start == 0:
        invite(session, recorder, 0, folder)
    together = Agreement(session.fabric)
    with interruptible() as stop:
        while step < config.steps and not together.any(stop.is_set()):
            progress = step / config.steps
            if session.streams is None:
                rng = policy_rng.fold(step)
                stream = collect(session.env, session.policy, config.observed + 1, rng, {"episode": step})
            else:
                stream = session.streams(step)
            loss = take_step(session, config, stream, step, progress)
            # The loss of the step before is looked at only now, when this step's work is queued: a GPU never waits.
            require_finite(pending, folder)
            pending = (step, loss, stream.scenes)
            losses.append(loss)
            step += 1
            recorder.tick(step)
            last = step == config.steps
            if step % config.log_every == 0 or last:
                require_finite(pending, folder)  # what is logged is not defined for NaN
                log(session, recorder, step, losses, stream, folder)
                losses = []
            if step % config.probe_every == 0 or last:
                invite(session, recorder, step, folder)
            if step % config.save_every == 0 or last:
                require_finite(pending, folder)
                _save(session, config, folder, step)
                saved = step
    if saved != step:
        require_finite(pending, folder)
        _save(session, config, folder, step)
    if step < config.steps:
        recorder.say(f"stopped at step {step} of {config.steps}; everything is saved")
    return step


def take_step(session: Session, config: TrainConfig, stream: Stream, step: int, progress: float) -> Tensor:
    """One training step on a batch of streams, with all that belongs to it: learning rate, update, momentum; the loss.

    `step` seeds what the step draws, `progress` in [0, 1) is how much of the training is done.
    """
    set_learning_rate(session.optimiser, progress, config)
    loss = update(session, stream, step)
    session.module.after_step(progress)
    return loss


def update(session: Session, stream: Stream, step: int) -> Tensor:
    """One optimiser step on a batch of streams; the loss, detached. What follows a step is not done here."""
    # Dropout and the like draw from torch's own generators; seeding them per step makes a resumed run the same run.
    torch.manual_seed(session.seed * 1_000_003 + step)
    loss = loss_of(session, stream)
    session.optimiser.zero_grad(set_to_none=True)
    session.fabric.backward(loss)
    session.optimiser.step()
    return loss.detach()


def loss_of(session: Session, stream: Stream) -> Tensor:
    """The method's loss in the precision of the run; what is logged or saved stays in single precision."""
    # Fabric sees to this by itself only where its strategy wraps the module, which on one device it does not.
    with session.fabric.autocast():
        loss, _ = session.method.loss(stream)
    return loss


def log(session: Session, recorder: Recorder, step: int, losses: list[Tensor], stream: Stream, folder: Path) -> None:
    """Record and show the mean loss since the last time, the learning rate, and signs of collapse.

    Raises NonFiniteLossError, which names the last checkpoint in `folder`, for embeddings that are not finite.
    """
    mean = session.fabric.all_reduce(torch.stack(losses).mean(), reduce_op="mean")
    assert isinstance(mean, Tensor)
    values = {
        "train/loss": float(mean),
        "train/learning_rate": session.optimiser.param_groups[0]["lr"],
    }
    if session.fabric.is_global_zero:
        try:
            values |= collapse(session.module, stream)
        except NonFiniteEmbeddingsError as error:
            raise NonFiniteLossError(f"after step {step} {_facts(str(error), stream.scenes, folder)}") from error
        recorder.scalars(step, values)
        recorder.progress(step, {"loss": values["train/loss"]}, len(stream.scenes) * session.fabric.world_size)


def collapse(module: Method, stream: Stream, most: int = 512) -> dict[str, float]:
    """Effective rank and spread of view embeddings and aggregates of at most `most` streams, in eval mode."""
    with frozen(module):
        seen = module.represent(stream.views[:most, :-1], stream.actions[:most, :-1])
    single = seen.views[:, 0].float()
    return {
        "collapse/view_rank": effective_rank(single),
        "collapse/view_spread": spread(single),
        "collapse/aggregate_rank": effective_rank(seen.aggregate.float()),
        "collapse/aggregate_spread": spread(seen.aggregate.float()),
    }


def invite(session: Session, recorder: Recorder, step: int, folder: Path) -> None:
    """Let the guests measure; only the first process does, and the others wait.

    Raises NonFiniteLossError, which names the last checkpoint in `folder`, for embeddings that are not finite.
    """
    if session.fabric.is_global_zero:
        for visit in session.guests:
            try:
                with frozen(session.module):
                    values = visit(session.module)
            except NonFiniteEmbeddingsError as error:
                raise NonFiniteLossError(
                    f"at the probe of step {step} {error}; {checkpoint.last_good(folder)}"
                ) from error
            recorder.scalars(step, values)
            recorder.probed(step, values)
    session.fabric.barrier()


def _save(session: Session, config: TrainConfig, folder: Path, step: int) -> None:
    require_sound(session.module, step, folder)
    if session.fabric.is_global_zero:
        state = state_of(session) | {"steps": config.steps}
        checkpoint.save(folder, step, session.module, session.optimiser, state, keep=config.keep)
    session.fabric.barrier()


def state_of(session: Session) -> dict[str, Any]:
    """What a checkpoint's `state.json` says of a session; `precision` is the gradient scaler of "16-mixed"."""
    return {
        "method": type(session.module).__name__,
        "seed": session.seed,
        "precision": session.fabric.strategy.precision.state_dict(),
        "resumed": list(session.resumed),
        **({"model": dict(session.model)} if session.model else {}),
    }


def restore(session: Session, found: checkpoint.Checkpoint) -> None:
    """Fill method, optimiser and gradient scaler. Raises CheckpointError for files that are damaged or do not fit."""
    state, file = found.state(), found.path / "state.json"
    if state.get("seed") not in (None, session.seed):
        raise CheckpointError(f"{file}: seed is {state['seed']}, but that of the run is {session.seed}")
    checkpoint.load_model(found, session.module)
    checkpoint.load_optimiser(found, session.module, session.optimiser)
    if scaling := state.get("precision"):
        try:
            session.fabric.strategy.precision.load_state_dict(scaling)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{file}: precision is not that of this run: {error!r}") from error


def require_finite(pending: tuple[int, Tensor, Tensor] | None, folder: Path) -> None:
    """Raise NonFiniteLossError unless the loss of a step (its number, its loss, its scenes) is finite."""
    if pending is None:
        return
    step, loss, scenes = pending
    if torch.isfinite(loss):
        return
    raise NonFiniteLossError(_facts(f"the loss of step {step} is {float(loss)}", scenes, folder))


def require_sound(module: Method, step: int, folder: Path) -> None:
    """Raise NonFiniteLossError if a weight is not finite: a finite loss can have a gradient that is not."""
    tensors = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    # Looked at one by one only where something is wrong: a GPU is waited for once.
    if tensors and not torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).all():
        bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        more = f" and {len(bad) - 1} others" if len(bad) > 1 else ""
        raise NonFiniteLossError(f"after step {step} {bad[0]}{more} are not finite; {checkpoint.last_good(folder)}")


def _facts(what: str, scenes: Tensor, folder: Path) -> str:
    more = " …" if len(scenes) > 16 else ""
    return f"{what}; its scenes were {scenes.tolist()[:16]}{more}; {checkpoint.last_good(folder)}"


class Agreement:
    """A vote of all processes; in one process it costs nothing.

    It goes over gloo and memory of the CPU, also where gradients go over NCCL: then no GPU is waited for.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._several = fabric.world_size > 1
        apart = self._several and distributed.get_backend() != "gloo"
        self._group: Any = distributed.new_group(backend="gloo") if apart else None  # None: the group of all

    def any(self, wish: bool) -> bool:
        """Whether one of the processes wishes it; the same answer in all of them."""
        if not self._several:
            return wish
        vote = torch.tensor(int(wish))
        distributed.all_reduce(vote, op=distributed.ReduceOp.MAX, group=self._group)
        return bool(vote)


_ROWS = 256  # environments at once, where nothing is trained


def env_of(world: World, rows: int, steps: int, *, first_row: int = 0) -> ActiveVisionVectorEnv:
    """Environments over a world for streams of up to `steps` actions; who collects them begins the episodes."""
    return ActiveVisionVectorEnv(
        rows, world, episode_steps=steps, tensors=True, autoreset_mode=AutoresetMode.DISABLED, first_row=first_row
    )


def rows_for(world: World, scenes: int = 0) -> int:
    """How many environments look at so many scenes of a world (0: all), where nothing is trained."""
    return min(_ROWS, world.size, scenes or world.size)
