"""Rolling a world model forward: exact where it is exact, at the right length, and measured against simple answers."""

import json
import math

import pytest
import torch
from fakes.images import noise
from fakes.methods import Knows, Mute, Turns, lift, place, wander
from fakes.object_datasets import objects
from gymnasium.vector import AutoresetMode
from torch import Tensor
from torch.nn import functional as F

from gazeworld.agents.planning import imagination as module
from gazeworld.agents.planning.imagination import ASTRAY, IMAGINED, LAST, MEAN, STEPWISE, imagination, imagine
from gazeworld.agents.policy import make_policy
from gazeworld.envs.objects import rotations
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import Method, WorldSpec, make_method
from gazeworld.scenarios.reports.probe_figures import horizon_figure


def tiny(world: SaccadeWorld | RotationWorld, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    return make_method(
        "seq-jepa",
        WorldSpec.of(world),
        encoder="small",
        dim=16,
        width=4,
        action_width=8,
        predictor_hidden=24,
        positions=True,
    )


def environment(world: SaccadeWorld | RotationWorld, n: int = 8) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(n, world, episode_steps=6, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


@pytest.mark.parametrize("kind", ["perfect", "long"])
def test_a_perfect_model_of_saccades_foresees_several_steps(kind: str) -> None:
    world = place()
    memory = wander(world, 20, 5)
    found = imagine(Knows(kind), memory.views[:, :2], memory.actions[:, :1], memory.actions[:, 1:])
    torch.testing.assert_close(F.normalize(found, dim=-1), lift(memory.poses[:, 2:]) / math.sqrt(2))
    assert not found.is_inference()


def test_a_perfect_model_of_rotations_foresees_several_steps() -> None:
    world = RotationWorld(objects(n=6, v=5))
    memory, method = wander(world, 12, 4), Turns(world)
    found = imagine(method, memory.views[:, :1], memory.actions[:, :0], memory.actions)
    torch.testing.assert_close(found, method.goal(memory.views[:, 1:]), atol=1e-5, rtol=0)
    turned = rotations.multiply(memory.poses[:, 0, :4], memory.actions[:, 0])
    assert rotations.angle(turned, memory.poses[:, 1, :4]).max() < 1e-3


def test_predictions_take_the_place_of_views_at_their_mean_length() -> None:
    class Long(Knows):
        heard: list[Tensor]

        def encode(self, views: Tensor) -> Tensor:
            return super().encode(views) * torch.tensor([1.0, 3.0])[: views.shape[1], None]

        def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
            self.heard.append(encoded.norm(dim=-1))
            assert actions.shape[1] == encoded.shape[1] - 1
            return encoded[:, -1]

    method, memory = Long("long"), wander(place(), 3, 4)
    method.heard = []
    imagine(method, memory.views[:, :2], memory.actions[:, :1], memory.actions[:, 1:])
    one = math.sqrt(2)
    assert [length.shape[1] for length in method.heard] == [2, 3]
    torch.testing.assert_close(method.heard[1], one * torch.tensor([[1.0, 3.0, 2.0]]).expand(3, -1))


def test_imagination_of_one_step_is_prediction_and_nothing_moves() -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    method, memory = tiny(world), wander(world, 9, 4)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    found = imagine(method, memory.views[:, :2], memory.actions[:, :1], memory.actions[:, 1:])
    assert found.shape == (9, 2, 16)
    assert method.training
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    method.eval()
    with torch.no_grad():
        aggregate = method.represent(memory.views[:, :2], memory.actions[:, :1]).aggregate
        torch.testing.assert_close(found[:, 0], method.predict(aggregate, memory.actions[:, 1]))


def test_sequences_and_parts_are_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    method, memory = tiny(world).eval(), wander(world, 5, 3)
    future = torch.rand(5, 4, 3, 2) - 0.5
    with torch.no_grad():
        encoded = method.encode(memory.views)
        together = module.roll(method, encoded, memory.actions, future)
        monkeypatch.setattr(module, "_ROWS", 8)  # two rows of four sequences at once
        torch.testing.assert_close(module.roll(method, encoded, memory.actions, future), together)
    for i in range(4):
        alone = imagine(method, memory.views, memory.actions, future[:, i])
        torch.testing.assert_close(alone, together[:, i])


def test_errors_of_a_perfect_model_and_of_simple_answers() -> None:
    world = place()
    result = imagination({"known": Knows()}, environment(world), make_policy("uniform", world), seen=2, horizon=3)
    json.dumps(result, allow_nan=False)
    values = result["values"]["known"]
    assert result["horizon"] == [1, 2, 3]
    assert result["agreement"]["known"] == pytest.approx(1)
    for kind in (IMAGINED, STEPWISE):
        assert max(map(abs, values[kind]["mean"])) < 1e-5
    assert values[IMAGINED]["sem"] == pytest.approx([0, 0, 0], abs=1e-5)
    stream = module.rollouts(environment(world), make_policy("uniform", world), 5)
    goals = lift(stream.poses) / math.sqrt(2)
    last = 1 - (goals[:, 1:2] * goals[:, 2:]).sum(-1)
    assert values[LAST]["mean"] == pytest.approx(last.mean(0).tolist(), abs=1e-5)
    assert values[LAST]["sem"] == pytest.approx((last.std(0, correction=0) / len(last) ** 0.5).tolist(), abs=1e-5)
    mean = F.normalize(goals.mean((0, 1)), dim=0)
    assert values[MEAN]["mean"] == pytest.approx((1 - goals[:, 2:] @ mean).mean(0).tolist(), abs=1e-5)


def test_the_actions_of_another_stream_lead_astray() -> None:
    world = RotationWorld(objects(n=8, v=6))
    env = environment(world)
    result = imagination({"known": Turns(world)}, env, make_policy("unseen", world), seen=2, horizon=2)
    values = result["values"]["known"]
    assert max(values[IMAGINED]["mean"]) < 1e-5
    assert min(values[ASTRAY]["mean"]) > 0.2


def test_the_figure_holds_every_curve_of_every_model() -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    methods = {"trained": tiny(world), "untrained": tiny(world, 1)}
    result = imagination(methods, environment(world), make_policy("uniform", world), seen=1, horizon=2, scenes=6)
    assert result["scored on"] == {"streams": 6}
    figure = horizon_figure(json.loads(json.dumps(result)))
    assert len(figure.axes) == 2
    for axes, name in zip(figure.axes, methods, strict=True):
        assert axes.get_title().startswith(f"{name} model")
        drawn = {c.get_label(): c.lines[0].get_ydata().tolist() for c in axes.containers}
        assert drawn == {kind: result["values"][name][kind]["mean"] for kind in drawn}
        assert len(drawn) == 5


def test_what_cannot_imagine_is_refused() -> None:
    class Narrow(Knows):
        def goal(self, views: Tensor) -> Tensor:
            return super().goal(views)[..., :3]

    class Turned(Knows):
        def goal(self, views: Tensor) -> Tensor:
            return -super().goal(views)

    memory = wander(place(), 2, 3)
    with pytest.raises(ValueError, match="imagination needs a world model that predicts views, and Mute predicts none"):
        imagine(Mute(), memory.views, memory.actions, memory.actions)
    with pytest.raises(ValueError, match="Narrow predicts embeddings of 3 numbers and encodes views in 4"):
        imagine(Narrow(), memory.views, memory.actions, memory.actions)
    with pytest.raises(ValueError, match=r"Turned predicts in another space than it encodes in .* -1\.00"):
        imagine(Turned(), memory.views, memory.actions, memory.actions)
    for method in (Narrow(), Turned()):
        with pytest.raises(ValueError, match=r"can(not)? take the place of a view"):
            imagination({"x": method}, environment(place()), make_policy("uniform", place()))
        policy = make_policy("goal", place(), planner="cem", pose=[0.5, 0.5])
        policy.attach(method)
        with pytest.raises(ValueError, match=r"can(not)? take the place of a view"):
            policy.act(memory, Draws.rows(0, 2))
    with pytest.raises(ValueError, match="horizon is 0"):
        imagination({}, environment(place()), make_policy("uniform", place()), horizon=0)
