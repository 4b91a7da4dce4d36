"""What policies say of the next fixation is what they do: frequencies of `act` agree with `log_density`."""

import math

import pytest
import torch
from fakes.images import SOMEWHERE, noise
from fakes.methods import PLACES, Knows, Short, at, place, recall, wander
from torch import Tensor

from gazeworld.agents import fixation_density
from gazeworld.agents.comparison.contestants import Apart, Elsewhere
from gazeworld.agents.planning.search import tents
from gazeworld.agents.policy import Memory, Policy, make_policy
from gazeworld.envs.fixations import Lattice
from gazeworld.envs.prior import partners
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.saccade import SaccadeWorld

DRAWS = 3000


def world(padding: str = "inside") -> SaccadeWorld:
    """Eleven places an axis, or eighteen."""
    return SaccadeWorld(noise(n=6, side=18), glimpse=8, padding=padding)


def check_frequencies(policy: Policy, of: SaccadeWorld, memory: Memory, draws: int = DRAWS) -> Tensor:
    """Act many times on the first rows of a memory; every place is met as often as it should be, within five sigma."""
    log_p = policy.log_density(memory)
    b, n = len(memory.scenes), of.lattice.count
    assert log_p.shape == (b, n, n)
    torch.testing.assert_close(log_p.flatten(1).logsumexp(1), torch.zeros(b), atol=1e-5, rtol=0)
    again = Memory(*(one.repeat_interleave(draws, 0) for one in vars(memory).values()))
    action = policy.act(again, Draws.rows(5, b * draws)).action
    places = of.lattice.places(of.move(SOMEWHERE, again.poses[:, -1], action)).unflatten(0, (b, draws))
    cells = places[..., 0] * n + places[..., 1]
    met = torch.zeros(b, n * n).scatter_add(1, cells, torch.ones(b, draws))
    p = log_p.exp().flatten(1)
    assert (met[p == 0] == 0).all(), "somewhere where it says that it never looks"
    off = (met - draws * p).abs() / (draws * p * (1 - p)).clamp_min(1).sqrt()
    assert off.max() < 5
    return log_p


@pytest.mark.parametrize("padding", ["inside", "zeros"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniform", {}),
        ("centre", {}),
        ("saliency", {}),
        ("saliency", {"map": "centre", "memory": 1, "strength": 0.7}),
        ("saliency", {"map": "uniform", "ior": False}),
        ("dwell", {"map": "centre", "stay": 0.6, "reach": 0.1}),
        ("dwell", {"map": "uniform", "stay": 1.0, "reach": 0.8}),
        ("grid", {"side": 3}),
        ("grid", {"side": 1}),
    ],
)
def test_what_is_said_is_what_is_done(name: str, options: dict, padding: str) -> None:
    of = world(padding)
    memory = wander(of, 3, 2)
    policy = make_policy(name, of, **options)
    log_p = check_frequencies(policy, of, memory)
    if name == "uniform":
        torch.testing.assert_close(log_p, torch.full_like(log_p, -2 * math.log(of.lattice.count)))
    if name in ("centre", "grid"):
        found = fixation_density.log_at(log_p, landed(of, policy, memory))
        torch.testing.assert_close(found, policy.act(memory, Draws.rows(2, 3)).log_prob)


def landed(of: SaccadeWorld, policy: Policy, memory: Memory) -> Tensor:
    """The places where the policy goes."""
    action = policy.act(memory, Draws.rows(2, len(memory.scenes))).action
    return of.lattice.places(of.move(SOMEWHERE, memory.poses[:, -1], action))


def test_a_policy_in_a_comparison_says_the_same() -> None:
    of = world()
    memory, policy = wander(of, 6, 2), make_policy("saliency", of)
    assert torch.equal(Apart(policy, "x").log_density(memory), policy.log_density(memory))
    other = Memory(memory.views, memory.actions, memory.poses, partners(of.labels, "here")[memory.scenes])
    assert torch.equal(Elsewhere(policy, of).log_density(memory), policy.log_density(other))


def test_what_says_nothing_is_told() -> None:
    of = world()

    class Still(Policy):
        def act(self, memory, rng):
            raise NotImplementedError

    with pytest.raises(ValueError, match=r"^Still says no distribution over the next fixation$"):
        Still().log_density(wander(of, 2, 1))


def test_a_planner_prefers_what_is_worth_more_and_never_what_is_inhibited() -> None:
    of = place()
    policy = make_policy("goal", of, pose=[0.25, 0.75], grid=PLACES, radius=2.0)
    assert policy.tempered
    policy.attach(Knows())
    memory = recall(of, at(of, torch.tensor([[2, 3], [8, 8]])).expand(2, 2, 2).contiguous())
    log_p = policy.log_density(memory)
    torch.testing.assert_close(log_p.flatten(1).logsumexp(1), torch.zeros(2), atol=1e-5, rtol=0)
    best = log_p.flatten(1).argmax(1)
    goal = of.lattice.places(of.snap(SOMEWHERE, torch.tensor([[0.25, 0.75]])))[0]
    assert best.tolist() == [int(goal[0]) * PLACES + int(goal[1])] * 2
    # The worth of a place is 1 plus the mean cosine over both axes; probabilities are its exponentials.
    poses = of.lattice.poses(torch.tensor([[12, 0], [4, 14]]))
    angle = math.pi * (poses - torch.tensor([[0.25, 0.75]]))
    apart = angle.cos().mean(1).diff()
    torch.testing.assert_close(log_p[0, 4, 14] - log_p[0, 12, 0], apart[0], atol=2e-3, rtol=0)
    for visit in ([2, 3], [8, 8]):
        steps = torch.arange(PLACES)
        near = (steps[:, None] - visit[0]) ** 2 + (steps[None] - visit[1]) ** 2 <= 4
        assert (log_p[:, near] == -math.inf).all()
    free = make_policy("goal", of, pose=[0.25, 0.75], grid=PLACES, ior=False)
    free.attach(Knows())
    assert torch.isfinite(free.log_density(memory)).all()


def test_a_coarse_grid_is_interpolated_and_what_is_out_of_reach_has_no_mass() -> None:
    of = place(Short)
    fine, coarse = (make_policy("goal", of, pose=[0.3, 0.6], grid=grid, ior=False) for grid in (PLACES, 5))
    for policy in (fine, coarse):
        policy.attach(Knows())
    memory = recall(of, at(of, torch.tensor([[4, 16], [9, 8]]))[:, None])
    log_p, near = fine.log_density(memory), coarse.log_density(memory)
    assert torch.equal(torch.isfinite(log_p), torch.isfinite(near))
    reach = torch.isfinite(log_p[0]).nonzero()
    assert reach.amin(0).tolist() == [0, 9]  # 7.2 pixels up and left of (4, 16), within the picture
    assert reach.amax(0).tolist() == [11, 16]
    assert (log_p - near)[torch.isfinite(log_p)].abs().max() < 0.05


def test_interpolation_by_hand() -> None:
    found = tents(torch.tensor([[0, 4], [1, 3]]), 5) @ torch.tensor([[0.0], [8.0]])
    assert found[..., 0].tolist() == [[0, 2, 4, 6, 8], [0, 0, 4, 8, 8]]
    assert tents(torch.tensor([[0]]), 1).tolist() == [[[1.0]]]


def test_masses_of_an_axis_by_hand() -> None:
    # Three places of a glimpse of 2 on 4 pixels: poses 1/4, 1/2, 3/4, borders between them.
    lattice = Lattice(4, 2)
    assert lattice.borders.tolist() == [0.375, 0.625]
    below = lattice.borders.expand(1, 2, 2)  # a uniform coordinate in [0, 1]
    torch.testing.assert_close(
        fixation_density.axis_masses(lattice, lambda _: below)[0, 0], torch.tensor([0.375, 0.25, 0.375]).double()
    )
    one = fixation_density.by_axes(Lattice(4, 4), lambda borders: borders.expand(1, 2, 0))
    assert one.tolist() == [[[0.0]]]


@pytest.mark.parametrize("padding", ["inside", "zeros"])
def test_borders_are_where_places_change(padding: str) -> None:
    lattice = Lattice(9, 4, padding)
    for step, border in enumerate(lattice.borders.tolist()):
        poses = torch.tensor([[border - 1e-4, border + 1e-4]])
        assert lattice.places(poses).tolist() == [[step, step + 1]]
