"""Rotations against scipy, at the places where digits are lost, and the regions against their definitions."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from gazeworld.envs.objects import rotations
from gazeworld.envs.objects.rotations import REGIONS, Region

HALF = math.pi / 2


def some(n: int = 500, seed: int = 0) -> Rotation:
    return Rotation.random(n, np.random.default_rng(seed))


def quaternions(rotation: Rotation) -> torch.Tensor:
    return torch.from_numpy(rotation.as_quat())


def axes(n: int) -> torch.Tensor:
    return quaternions(some(n, 9))[:, :3] / quaternions(some(n, 9))[:, :3].norm(dim=-1, keepdim=True)


def drawn(name: str, n: int = 4000, **options: float) -> torch.Tensor:
    return rotations.sample(Region(name, **options), n, np.random.default_rng(3))


def test_euler_angles_are_those_of_scipy_sign_included() -> None:
    angles = np.random.default_rng(0).uniform(-2 * math.pi, 2 * math.pi, (7, 90, 3))
    wanted = Rotation.from_euler("xyz", angles.reshape(-1, 3)).as_quat().reshape(7, 90, 4)
    found = rotations.from_euler(torch.from_numpy(angles))
    assert torch.allclose(found, torch.from_numpy(wanted), atol=1e-14)
    single = rotations.from_euler(torch.from_numpy(angles).float())
    assert single.dtype == torch.float32
    assert (single - torch.from_numpy(wanted)).abs().max() < 5e-7  # the angles themselves are rounded by 2.4e-7


def test_euler_angles_there_and_back() -> None:
    rotation = some()
    found = rotations.to_euler(quaternions(rotation))
    assert np.allclose(found, rotation.as_euler("xyz"), atol=1e-12)
    assert torch.allclose(rotations.to_euler(-quaternions(rotation)), found, atol=1e-12)
    assert found.abs().amax(0)[1] <= HALF
    assert found.abs().max() <= math.pi


@pytest.mark.parametrize("pitch", [HALF, -HALF, HALF - 1e-9, -HALF + 1e-9])
def test_gimbal_lock_gives_the_same_rotation_back(pitch: float) -> None:
    angles = np.random.default_rng(1).uniform(-math.pi, math.pi, (300, 3))
    angles[:, 1] = pitch
    q = rotations.from_euler(torch.from_numpy(angles))
    again = rotations.from_euler(rotations.to_euler(q))
    assert rotations.angle(q, again).max() < 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrices_are_those_of_scipy(dtype: torch.dtype) -> None:
    rotation, tiny = some(), 8 * torch.finfo(dtype).eps
    q = quaternions(rotation).to(dtype).reshape(5, 100, 4)
    matrix = rotations.to_matrix(q)
    assert matrix.dtype == dtype
    assert (matrix.double() - torch.from_numpy(rotation.as_matrix()).reshape(5, 100, 3, 3)).abs().max() < tiny
    assert (rotations.from_matrix(matrix) - rotations.canonical(q)).abs().max() < tiny
    assert (rotations.to_matrix(3 * q) - matrix).abs().max() < tiny


def test_matrices_of_half_turns() -> None:
    """The trace is -1 there: the component that is not nearly 0 must be the one that is trusted."""
    many = torch.cat((torch.eye(3).double(), -torch.eye(3).double(), axes(50)))
    for turn in (math.pi, math.pi - 1e-9, math.pi - 1e-5):
        q = rotations.from_vector(turn * many)
        assert rotations.angle(rotations.from_matrix(rotations.to_matrix(q)), q).max() < 1e-14


def test_rotation_vectors_are_those_of_scipy_down_to_nothing() -> None:
    for length in (0.0, 1e-200, 1e-9, 1e-3, 1.0, 3.1, 6.0):
        vector = np.random.default_rng(2).normal(size=(20, 3))
        vector *= length / np.linalg.norm(vector, axis=1, keepdims=True)
        found = rotations.from_vector(torch.from_numpy(vector))
        assert np.allclose(found, Rotation.from_rotvec(vector).as_quat(), atol=1e-14, rtol=1e-12)


def test_products_follow_scipy_and_matrices() -> None:
    first, second = some(seed=1), some(seed=2)
    a, b = quaternions(first), quaternions(second)
    product = rotations.multiply(a, b)
    assert np.allclose(rotations.canonical(product), (first * second).as_quat(canonical=True), atol=1e-14)
    assert torch.allclose(rotations.to_matrix(product), rotations.to_matrix(a) @ rotations.to_matrix(b), atol=1e-14)
    one = torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand(500, 4)
    assert torch.allclose(rotations.multiply(a, rotations.inverse(a)), one, atol=1e-14)
    action = rotations.relative(a, b)
    assert np.allclose(rotations.canonical(action), (first.inv() * second).as_quat(canonical=True), atol=1e-14)
    assert torch.allclose(rotations.multiply(a, action), b, atol=1e-14)  # actions act on the right
    assert torch.equal(rotations.multiply(a[:1], b), rotations.multiply(a[:1].expand(500, 4), b))


def test_the_sign_is_settled_where_w_is_zero_too() -> None:
    for q, wanted in (
        ([0.1, 0.2, 0.3, -0.9], [-0.1, -0.2, -0.3, 0.9]),
        ([-0.6, 0.8, 0.0, 0.0], [0.6, -0.8, 0.0, 0.0]),
        ([0.0, -0.6, 0.8, 0.0], [0.0, 0.6, -0.8, 0.0]),
        ([0.0, 0.0, -1.0, 0.0], [0.0, 0.0, 1.0, 0.0]),
        ([0.0, 0.0, 1.0, -0.0], [0.0, 0.0, 1.0, 0.0]),
        ([-1.0, 0.0, 0.0, 1e-30], [-1.0, 0.0, 0.0, 1e-30]),
    ):
        for sign in (1, -1):
            found = rotations.canonical(sign * torch.tensor(q, dtype=torch.float64))
            assert found.tolist() == wanted
            assert not torch.signbit(found[found == 0]).any()  # equal quaternions have equal bytes
    assert np.allclose(rotations.canonical(quaternions(some())), some().as_quat(canonical=True))


@pytest.mark.parametrize("turn", [1e-7, 1e-4, 0.3, HALF, 3.0, math.pi - 1e-4, math.pi - 1e-6, math.pi])
def test_angles_keep_their_digits(turn: float) -> None:
    a = quaternions(some(200))
    b = rotations.multiply(a, rotations.from_vector(turn * axes(200)))
    assert (rotations.angle(a, b) - turn).abs().max() < 1e-14
    assert torch.allclose(rotations.angle(a, -b), rotations.angle(a, b), atol=1e-14)
    single = rotations.angle(a.float(), b.float())
    assert single.dtype == torch.float32
    assert (single - turn).abs().max() < 5e-7  # the rounding of the arguments; an arc cosine would be off by 5e-4


def test_the_angle_of_a_rotation_with_itself_is_zero() -> None:
    q = quaternions(some()).float()
    assert rotations.angle(q, q).max() < 1e-7
    assert rotations.angle(q, -q).max() < 1e-7


def test_nearest_is_by_angle_whatever_the_signs() -> None:
    table, q = quaternions(some(600, 4)).float().reshape(12, 50, 4), quaternions(some(12, 5)).float()
    by_angle = rotations.angle(q[:, None].expand(12, 50, 4), table).argmin(-1)
    assert torch.equal(rotations.nearest(q, table), by_angle)
    assert torch.equal(rotations.nearest(-q, table), by_angle)
    flips = 1.0 - 2.0 * (torch.arange(600).reshape(12, 50, 1) % 3 == 0)
    assert torch.equal(rotations.nearest(q, flips * table), by_angle)
    own = torch.arange(12) * 4
    assert torch.equal(rotations.nearest(-table[torch.arange(12), own], table), own)


def test_nearest_tells_views_apart_that_lie_close_together() -> None:
    """A ten-thousandth of a radian moves the product of the quaternions by 1e-9, below what float32 can hold."""
    steps = 1e-4 * torch.arange(50, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    start = quaternions(some(20))
    table = rotations.multiply(start[:, None], rotations.from_vector(steps)[None])
    wanted = torch.arange(20)
    q = table[wanted, wanted]
    assert torch.equal(rotations.nearest(q.float(), table.float()), wanted)


def test_long_products_stay_rotations() -> None:
    step = quaternions(some(100)).float()
    pose = step
    for _ in range(200):
        pose = rotations.unit(rotations.multiply(pose, step))
    assert (pose.norm(dim=-1) - 1).abs().max() < 2e-7


def uniform(values: torch.Tensor, low: float, high: float) -> bool:
    return kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 1e-3


def test_the_papers_box() -> None:
    angles = drawn("paper")
    assert angles.dtype == torch.float32
    assert all(uniform(angles[:, i], -HALF, HALF) for i in range(3))
    assert Region("paper").contains(rotations.from_euler(angles)).all()


def test_the_authors_other_box_holds_the_same_rotations() -> None:
    angles = drawn("ood")
    assert angles.abs().min() >= HALF - 1e-6
    assert all(uniform(angles[:, i].abs(), HALF, math.pi) for i in range(3))
    assert (((angles > 0).float().mean(0) - 0.5).abs() < 0.05).all()
    q = rotations.from_euler(angles.double())
    aliased = rotations.to_euler(q)
    assert all(uniform(aliased[:, i], -HALF, HALF) for i in range(3))
    assert Region("paper").contains(q).all()
    assert 0.45 < (q[:, 3] < 0).double().mean() < 0.55


def test_all_rotations_alike() -> None:
    """Every column of a uniform rotation matrix is uniform on the sphere: each of its entries is uniform."""
    matrix = rotations.to_matrix(rotations.from_euler(drawn("so3").double()))
    assert all(uniform(matrix[:, i, j], -1, 1) for i in range(3) for j in range(3))
    assert Region("so3").contains(rotations.from_euler(drawn("so3"))).all()


@pytest.mark.parametrize("radius", [0.2, math.pi / 3, 2.5])
def test_the_region_held_out_and_the_rest(radius: float) -> None:
    centre = rotations.from_euler(torch.tensor([0.0, 0.0, HALF], dtype=torch.float64))
    for name, low, high in (("held-out", 0.0, radius), ("without-held-out", radius, math.pi)):
        q = rotations.from_euler(drawn(name, radius=radius).double())
        away = rotations.angle(q, centre)
        assert away.min() > low - 1e-6
        assert away.max() < high + 1e-6
        assert uniform(away - torch.sin(away), low - math.sin(low), high - math.sin(high))
        axis = torch.nn.functional.normalize(rotations.canonical(rotations.relative(centre, q))[:, :3], dim=-1)
        assert all(uniform(axis[:, i], -1, 1) for i in range(3))
    everywhere = rotations.from_euler(drawn("so3", 20_000).double())
    share = Region("held-out", radius=radius).contains(everywhere).double().mean()
    assert abs(share - (radius - math.sin(radius)) / math.pi) < 0.01
    inside, outside = (Region(name, radius=radius).contains(everywhere) for name in ("held-out", "without-held-out"))
    assert torch.equal(inside, ~outside)


def test_on_a_turntable_things_stay_upright() -> None:
    angles = drawn("turntable", 2000)
    assert (angles[:, :2] == 0).all()
    assert uniform(angles[:, 2].double(), -HALF, HALF)
    q = rotations.from_euler(angles)
    assert Region("turntable").contains(q).all()
    assert Region("paper").contains(q).all()
    assert not Region("turntable").contains(rotations.from_euler(drawn("paper", 2000))).any()


def test_behind_is_the_rest_of_the_turntable() -> None:
    angles = drawn("behind", 2000)
    assert (angles[:, :2] == 0).all()
    assert uniform(angles[:, 2].double().remainder(2 * math.pi), HALF, 3 * HALF)
    q = rotations.from_euler(angles)
    assert Region("behind").contains(q).all()
    assert not Region("turntable").contains(q).any()
    assert not Region("behind").contains(rotations.from_euler(drawn("turntable", 2000))).any()
    assert (rotations.angle(q, torch.tensor([0.0, 0.0, 0.0, 1.0])) > HALF - 1e-6).all()


def test_the_default_region_needs_no_extrapolation() -> None:
    """No quaternion changes sign inside, and each component is one that the other rotations have too."""
    inside, outside = (
        rotations.canonical(rotations.from_euler(drawn(name, 20_000))) for name in ("held-out", "without-held-out")
    )
    assert inside[:, 3].min() > 0.2
    assert (inside.amax(0) < outside.amax(0)).all()
    assert (inside.amin(0) > outside.amin(0)).all()


@pytest.mark.parametrize("name", REGIONS)
def test_the_ends_of_the_uniform_numbers_are_no_trap(name: str) -> None:
    u = torch.tensor([[0.0, 0.0, 0.0], [1 - 2**-53] * 3, [1e-18, 0.5, 0.5]], dtype=torch.float64)
    assert Region(name).angles(u).isfinite().all()


@pytest.mark.parametrize("name", REGIONS)
def test_draws_come_from_the_generator_alone(name: str) -> None:
    assert torch.equal(drawn(name, 50), drawn(name, 50))
    assert torch.equal(drawn(name, 80)[:50], drawn(name, 50))


def test_a_region_that_is_none() -> None:
    with pytest.raises(ValueError, match="unknown region 'north'; there are: paper"):
        Region("north")
    with pytest.raises(ValueError, match=r"region.radius is 4\.0"):
        Region("held-out", radius=4.0)


def test_float32_loses_no_more_than_its_last_digit() -> None:
    """Results of float32 arguments are those of the same numbers in float64, rounded once."""
    angles = torch.from_numpy(np.random.default_rng(0).uniform(-7, 7, (500, 3))).float()
    q, p = quaternions(some()).float(), quaternions(some(seed=8)).float()
    close = rotations.multiply(q, rotations.from_vector(1e-5 * axes(500)).float())
    for function, arguments in (
        (rotations.from_euler, (angles,)),
        (rotations.to_euler, (q,)),
        (rotations.from_vector, (angles,)),
        (rotations.to_matrix, (q,)),
        (rotations.from_matrix, (rotations.to_matrix(q),)),
        (rotations.unit, (q,)),
        (rotations.angle, (q, p)),
        (rotations.angle, (q, close)),
    ):
        assert torch.equal(function(*arguments), function(*(x.double() for x in arguments)).float()), function
