"""Features are the method's own outputs, the method is left as it was, and every scene is visited."""

import pytest
import torch
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode

from gazeworld.agents.policy import Policy, make_policy
from gazeworld.agents.probes.features import (
    FULL,
    NO_ACTIONS,
    NO_VISION,
    ablated,
    calibrate,
    centred,
    features,
    frozen,
    parallel,
    rollouts,
    spread_over,
)
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method, WorldSpec, make_method


def place(rows: int = 5, size: int = 12, noise: float = 0.0) -> tuple[ActiveVisionVectorEnv, Policy]:
    world = CountingWorld(size, noise=noise)
    env = ActiveVisionVectorEnv(rows, world, episode_steps=6, tensors=True, autoreset_mode=AutoresetMode.DISABLED)
    return env, make_policy("uniform", world)


def method(**options: object) -> Method:
    torch.manual_seed(0)
    made = make_method(
        "seq-jepa",
        WorldSpec((1, 4, 4), 1, (0.5,), (0.25,)),
        **{
            **dict(encoder="small", dropout=0.1, dim=12, width=4, action_width=4, predictor_hidden=8),
            **options,
        },
    )
    # Running statistics that differ from a batch's: eval and train mode give different numbers.
    made.encode(torch.randint(0, 256, (8, 3, 1, 4, 4), dtype=torch.uint8))
    return made


def test_every_scene_is_visited_every_round_and_views_belong_to_poses() -> None:
    env, policy = place(rows=5)
    stream = rollouts(env, policy, 4, repeats=3, seed=1)
    assert stream.scenes.tolist() == list(range(12)) * 3
    assert torch.equal(stream.labels, stream.scenes % 3)
    assert torch.equal(stream.views[..., 1, 0].squeeze(-1), (stream.poses * 25).to(torch.uint8)[..., 0])
    assert torch.equal(stream.actions, stream.poses[:, 1:] - stream.poses[:, :-1])
    repeats = stream.poses.view(3, 12, 4)
    assert not torch.equal(repeats[0], repeats[1])


def test_rollouts_are_a_function_of_the_seed() -> None:
    env, policy = place()
    first = rollouts(env, policy, 4, seed=3)
    rollouts(env, policy, 3, seed=8)
    again, other = rollouts(env, policy, 4, seed=3), rollouts(env, policy, 4, seed=4)
    assert torch.equal(first.poses, again.poses)
    assert not torch.equal(first.poses, other.poses)


def test_some_scenes_are_spread_over_the_source() -> None:
    env, policy = place()
    assert rollouts(env, policy, 2, scenes=4).scenes.tolist() == [0, 3, 6, 9]
    assert len(spread_over(1000, 7).unique()) == 7
    with pytest.raises(ValueError, match=r"13 scenes were asked for, expected 0 \(all\) to 12"):
        rollouts(env, policy, 2, scenes=13)
    with pytest.raises(ValueError, match="repeats is 0"):
        rollouts(env, policy, 2, repeats=0)


def test_centred_views_are_from_the_middle() -> None:
    env, policy = place()
    stream = centred(env, policy)
    assert stream.poses.unique().tolist() == [4.0]  # 4.5, snapped
    assert stream.scenes.tolist() == list(range(12))


def test_features_are_what_the_method_gives_in_eval_mode() -> None:
    env, policy = place(rows=40, size=100)
    stream, model = rollouts(env, policy, 5), method()
    seen = ablated(model, features(model, stream, env.world, observed=4))
    model.eval()
    with torch.no_grad():
        for m in (1, 2, 4):
            views, actions = stream.views[:, :m], stream.actions[:, : m - 1]
            expected = model.represent(views, actions)
            torch.testing.assert_close(seen.encodings[:, :m], expected.views)
            torch.testing.assert_close(seen.aggregates[FULL][m - 1], expected.aggregate)
            still = model.aggregate(expected.views, 0 * actions)
            torch.testing.assert_close(seen.aggregates[NO_ACTIONS][m - 1], still)
            blind = model.aggregate(0 * expected.views, actions)
            torch.testing.assert_close(seen.aggregates[NO_VISION][m - 1], blind)
        torch.testing.assert_close(seen.embeddings, model.embed(stream.actions))
    assert torch.equal(seen.displacements, stream.poses[:, 1:] - stream.poses[:, :1])
    assert not any(t.is_inference() for t in (seen.encodings, seen.embeddings, *seen.aggregates.values()))


def test_the_method_is_left_bit_for_bit_as_it_was() -> None:
    env, policy = place()
    stream, model = rollouts(env, policy, 4), method()
    model.train()
    model.target.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    ablated(model, features(model, stream, env.world, observed=3))
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_modes_come_back_after_an_error() -> None:
    model = method().train()
    with pytest.raises(ZeroDivisionError), frozen(model):
        assert 1 / model.training
    assert all(module.training for module in model.modules())


def test_chunks_and_threads_do_not_change_features() -> None:
    env, policy = place(rows=50, size=150)
    stream, model = rollouts(env, policy, 3), method()
    whole = features(model, stream, env.world, observed=2)
    part = Stream(*(t[70:90] for t in (stream.views, stream.actions, stream.poses, stream.labels, stream.scenes)))
    alone = features(model, part, env.world, observed=2)
    torch.testing.assert_close(whole.aggregates[FULL][:, 70:90], alone.aggregates[FULL])
    some = whole.take(torch.tensor([5, 1]))
    assert torch.equal(some.aggregates[FULL][:, 0], whole.aggregates[FULL][:, 5])
    assert torch.equal(some.labels, whole.labels[[5, 1]])


def test_progress_is_told_to_the_end() -> None:
    env, policy = place()
    told = []
    features(method(), rollouts(env, policy, 3), env.world, observed=2, tick=lambda *now: told.append(now))
    assert {what for what, _, _ in told} == {"encoding views", "aggregating"}
    assert told[-1][1] == told[-1][2]


@pytest.mark.parametrize("observed", [0, 4])
def test_more_views_than_there_are_is_an_error(observed: int) -> None:
    env, policy = place()
    with pytest.raises(ValueError, match=f"{observed} observed views were asked for, expected 1 to the 3"):
        features(method(), rollouts(env, policy, 3), env.world, observed=observed)


@pytest.mark.usefixtures("two_threads")
def test_parallel_keeps_order_errors_and_threads() -> None:
    threads = torch.get_num_threads()
    assert parallel([lambda i=i: (i, torch.get_num_threads()) for i in range(5)]) == [(i, 1) for i in range(5)]
    with pytest.raises(ZeroDivisionError):
        parallel([lambda: 1 // 0])
    assert torch.get_num_threads() == threads


def test_embeddings_are_normalised_and_weights_stay() -> None:
    torch.manual_seed(0)
    method = make_method(
        "seq-jepa", WorldSpec((1, 8, 8), 2, (0.2,), (0.1,)), encoder="small", dim=8, width=4,
        action_width=4, predictor_hidden=8,
    )  # fmt: skip
    views = torch.randint(0, 256, (60, 3, 8, 8, 1), dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    stream = Stream(views, torch.zeros(60, 2, 2), torch.zeros(60, 3, 2), torch.zeros(60).long(), torch.arange(60))
    weights = [p.clone() for p in method.parameters()]
    before = method.eval().encode(views).flatten(0, 1)
    after = calibrate(method, stream, chunk=20).encode(views).flatten(0, 1)
    assert not torch.allclose(before.std(0), torch.ones(8), atol=0.1)
    torch.testing.assert_close(after.mean(0), torch.zeros(8), atol=0.1, rtol=0)
    torch.testing.assert_close(after.std(0), torch.ones(8), atol=0.1, rtol=0)
    goals = method.goal(views).flatten(0, 1)
    torch.testing.assert_close(goals.std(0), torch.ones(8), atol=0.1, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(weights, method.parameters(), strict=True))
    assert not method.training
    assert all(m.momentum == 0.1 for m in method.modules() if isinstance(m, torch.nn.BatchNorm2d))
