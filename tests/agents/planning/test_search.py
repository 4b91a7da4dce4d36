"""Candidates, inhibition and the search for the best of them, with world models that are right about everything."""

import pytest
import torch
from fakes.methods import PLACES, SIDE, Knows, Mute, Short, Turns, at, landed, place, recall, wander
from fakes.object_datasets import objects
from fakes.worlds import CountingWorld

from gazeworld.agents.planning.cem_mppi import PlanConfig, follow, plan
from gazeworld.agents.planning.lookahead import Foresight
from gazeworld.agents.planning.search import Ground, Search, pick, search_of
from gazeworld.agents.policy import make_policy
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.rotation import RotationWorld


def every_place() -> torch.Tensor:
    return torch.cartesian_prod(torch.arange(PLACES), torch.arange(PLACES))


def test_pick_takes_the_best_that_is_left_and_ignores_inhibition_where_nothing_is() -> None:
    worth = torch.tensor([[3.0, 1, 2], [3, 1, 2], [3, 1, 2], [3, 2.5, 2], [3, 1, 2]])
    kept = torch.tensor([[1.0, 1, 1], [0, 1, 1], [0, 0, 0], [0.5, 1, 1], [1, 0, 0]])
    legal = torch.ones(5, 3, dtype=torch.bool)
    legal[4, 0] = False  # illegal is not the same as inhibited
    found = pick(worth, kept, Draws.rows(0, 5), legal)
    assert found.index.tolist() == [0, 2, 0, 1, 2]
    assert found.ties.tolist() == [1] * 5


def test_equally_good_candidates_are_equally_likely() -> None:
    n = 3000
    worth = torch.tensor([1.0, 2.0, 2.0, 0.0, 2.0 + 1e-8]).expand(n, -1)
    found = pick(worth, torch.ones_like(worth), Draws.rows(0, n))
    assert (found.ties == 3).all()
    counts = torch.bincount(found.index, minlength=5)
    assert counts[[0, 3]].sum() == 0
    assert (counts[[1, 2, 4]] - n / 3).abs().max() < 5 * (2 * n / 9) ** 0.5


def test_grid_and_refinement_land_on_the_goal_itself() -> None:
    world, goals = place(), every_place()
    memory = wander(world, len(goals), 2)
    policy = make_policy("goal", world, grid=5, ior=False)
    policy.attach(Knows())
    policy.aim(world.look(world.scene(memory.scenes, Draws.rows(0, len(goals))), at(world, goals)))
    choice = policy.act(memory, Draws.rows(1, len(goals)))
    assert torch.equal(landed(world, memory, choice.action), goals)
    on_grid = (goals % 4 == 0).all(1)
    assert (choice.log_prob[on_grid] == 0).all()
    halfway = (goals % 4 == 2).any(1)
    assert choice.log_prob[halfway].isnan().all(), "two places of the grid are equally near"


def test_without_refinement_the_best_place_of_the_grid_is_taken() -> None:
    world, goals = place(), every_place()
    memory = wander(world, len(goals), 1)
    policy = make_policy("goal", world, grid=5, refine=False, ior=False)
    policy.attach(Knows())
    policy.aim(world.look(world.scene(memory.scenes, Draws.rows(0, len(goals))), at(world, goals)))
    got = landed(world, memory, policy.act(memory, Draws.rows(1, len(goals))).action)
    assert (got % 4 == 0).all()
    assert (got - goals).abs().max() <= 2


@pytest.mark.parametrize("refine", [True, False])
def test_actions_stay_within_their_bounds_and_the_border(refine: bool) -> None:
    world, goals = place(Short), every_place()
    memory = wander(world, len(goals), 1)
    policy = make_policy("goal", world, grid=4, refine=refine, ior=False)
    policy.attach(Knows())
    policy.aim(world.look(world.scene(memory.scenes, Draws.rows(0, len(goals))), at(world, goals)))
    action = policy.act(memory, Draws.rows(1, len(goals))).action
    assert action.abs().max() <= 0.3
    got, now = landed(world, memory, action), world.lattice.places(memory.poses[:, -1])
    assert (((got + 4) / SIDE - memory.poses[:, -1]) - action).abs().max() < 1e-6, "nothing was clipped"
    if refine:  # as near as seven pixels per axis allow
        assert torch.equal(got, now + (goals - now).clamp(-7, 7))


@pytest.mark.parametrize(
    ("inhibition", "near"),
    [
        ({}, lambda apart: apart.norm(dim=-1).amin(1) <= 4),
        ({"radius": 6.0, "shape": "square"}, lambda apart: apart.abs().amax(-1).amin(1) <= 6),
        ({"radius": 5.0, "memory": 1}, lambda apart: apart[:, -1].norm(dim=-1) <= 5),
    ],
)
def test_inhibited_places_are_left_alone(inhibition: dict, near) -> None:
    world = place()
    memory = wander(world, 200, 3)
    search = search_of("x", world, grid=PLACES, refine=False, ior=True, inhibition=inhibition)
    choice = search.best(memory, lambda actions: torch.ones(actions.shape[:2]), Draws.rows(0, 200))
    seen = world.lattice.places(memory.poses)
    assert not near((landed(world, memory, choice.action)[:, None] - seen).double()).any()
    every = torch.stack([near((spot - seen).double()) for spot in every_place()], 1)
    expected = -(~every).sum(1).float().log()
    torch.testing.assert_close(choice.log_prob, expected, msg="all other places are candidates")


def test_inhibition_is_ignored_where_it_leaves_nothing_and_when_it_is_off() -> None:
    world = place()
    memory = wander(world, 50, 2)
    goal = world.look(world.scene(memory.scenes, Draws.rows(0, 50)), memory.poses[:, 0].contiguous())
    for options in ({"radius": 100.0}, {"ior": False}, {"strength": 0.0}):
        policy = make_policy("goal", world, **options)
        policy.attach(Knows())
        policy.aim(goal)
        got = landed(world, memory, policy.act(memory, Draws.rows(1, 50)).action)
        assert torch.equal(got, world.lattice.places(memory.poses[:, 0])), options


def test_other_worlds_offer_random_poses() -> None:
    world = CountingWorld()
    memory = wander(world, 30, 1)
    search = search_of("x", world, grid=9, refine=True, ior=True, inhibition={})
    action = search.best(memory, lambda actions: 20 + actions[..., 0], Draws.rows(0, 30)).action
    assert ((memory.poses[:, 0] + action)[memory.poses[:, 0] < 9] == 9).all(), "81 draws meet all ten places"
    with pytest.raises(ValueError, match=r"policy 'x': an inhibition radius of 3\.0 px needs a world of fixations"):
        search_of("x", world, grid=9, refine=True, ior=True, inhibition={"radius": 3.0})
    with pytest.raises(ValueError, match="grid is 1, expected an integer from 2"):
        Search(Ground(world, None, "x"), grid=1)


def test_objects_offer_their_unseen_views() -> None:
    world = RotationWorld(objects(n=6, v=5))
    poses = world.views.poses[:, :3]
    memory = recall(world, poses, torch.arange(6))
    policy = make_policy("novelty", world)
    policy.attach(Turns(world))
    action = policy.act(memory, Draws.rows(0, 6)).action
    got = world.move(world.scene(torch.arange(6), Draws.rows(0, 6)), poses[:, -1], action)
    turns = world.views.poses[:, :, :4]
    likeness = (turns[:, 3:] @ poses[..., :4].transpose(1, 2)).square().amax(-1)  # b 2
    assert torch.equal(got, world.views.poses[torch.arange(6), 3 + likeness.argmin(1)])
    spent = recall(world, world.views.poses, torch.arange(6))
    assert policy.act(spent, Draws.rows(0, 6)).action.isfinite().all(), "a view is seen again"


@pytest.mark.parametrize("planner", ["cem", "mppi"])
def test_two_steps_reach_what_one_cannot(planner: str) -> None:
    world = place(Short)
    starts = torch.tensor([[0, 0], [16, 3], [2, 14], [8, 8]])
    goals = torch.tensor([[12, 12], [4, 13], [14, 4], [8, 16]])
    memory = recall(world, at(world, starts)[:, None])
    policy = make_policy("goal", world, planner=planner, plan={"horizon": 2, "samples": 200}, ior=False)
    policy.attach(Knows())
    policy.aim(world.look(world.scene(memory.scenes, Draws.rows(0, 4)), at(world, goals)))
    poses = [memory.poses[:, 0]]
    for i in range(2):
        choice = policy.act(recall(world, torch.stack(poses, 1)), Draws.rows(7 + i, 4))
        assert choice.action.abs().max() <= 0.3 + 1e-6
        poses.append(world.move(world.scene(memory.scenes, Draws.rows(0, 4)), poses[-1], choice.action))
    apart = [(world.lattice.places(pose) - goals).abs().amax(1) for pose in poses]
    assert (apart[1] >= 1).all()
    assert (apart[2] <= 1).all(), apart[2]


@pytest.mark.parametrize("planner", ["cem", "mppi"])
def test_a_row_of_a_plan_does_not_depend_on_the_others_and_repeats(planner: str) -> None:
    world, config = place(), PlanConfig(horizon=2, samples=40, iterations=3, elites=5)
    memory, rng = wander(world, 12, 2), Draws.rows(3, 12)
    ground = Ground(world, Inhibition(), "x")

    def worth(actions: torch.Tensor) -> torch.Tensor:
        return (1 + actions[..., 0] - actions[..., 1].abs()).sum(-1)

    found = plan(planner, ground, memory, worth, config, rng)
    assert torch.equal(plan(planner, ground, memory, worth, config, rng), found)
    assert not torch.equal(plan(planner, ground, memory, worth, config, rng.fold(1)), found)
    few = torch.tensor([7, 2])
    part = recall(world, memory.poses[few], memory.scenes[few])
    torch.testing.assert_close(plan(planner, ground, part, worth, config, rng[few]), found[few])


def test_plans_keep_away_from_inhibited_places() -> None:
    world = place()
    memory = wander(world, 40, 1)
    goal = world.look(world.scene(memory.scenes, Draws.rows(0, 40)), memory.poses[:, 0].contiguous())
    policy = make_policy("goal", world, planner="cem", plan={"horizon": 1}, radius=5.0)
    policy.attach(Knows())
    policy.aim(goal)
    got = landed(world, memory, policy.act(memory, Draws.rows(0, 40)).action)
    apart = (got - world.lattice.places(memory.poses[:, 0])).double().norm(dim=1)
    assert (apart > 5).all()
    assert (apart < 8).all(), "but stay as near to the goal as they may"


def test_sequences_happen_as_the_world_lets_them() -> None:
    world = place()
    memory = recall(world, at(world, torch.tensor([[0, 0]]))[:, None])
    asked = torch.tensor([[[[-0.5, 0.26], [0.9, 0.0]]]])
    paths = follow(Ground(world, None, "x"), memory, asked)
    tops = world.lattice.places(paths.poses)
    assert tops.tolist() == [[[[0, 6], [16, 6]]]]
    torch.testing.assert_close(paths.actions * SIDE, torch.tensor([[[[0.0, 6.0], [16.0, 0.0]]]]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": 0}, "plan.horizon is 0"),
        ({"elites": 200}, "plan.elites is 200, expected at most the 128"),
        ({"temperature": 0.0}, "plan.temperature is 0.0"),
        ({"depth": 3}, "'goal'.*depth"),
    ],
)
def test_bad_plans_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_policy("goal", place(), planner="cem", plan=options)


def test_a_model_that_predicts_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="policy 'x' needs a world model that predicts views, and Mute predicts none"):
        Foresight("x", place()).attach(Mute())
    with pytest.raises(ValueError, match="unknown planner 'dice'; there are: cem, mppi"):
        plan("dice", Ground(place(), None, "x"), wander(place(), 2, 1), lambda a: a, PlanConfig(), Draws.rows(0, 2))
