"""Losses against loops over plain numbers, and over two processes against one."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gazeworld.models import losses

GRID = [(b, d) for b in range(2, 10) for d in range(1, 8)]
Rows = list[list[float]]


def rows(b: int, d: int, seed: int) -> Tensor:
    return torch.randn(b, d, generator=torch.Generator().manual_seed(1000 * seed + 10 * b + d))


def dot(x: list[float], y: list[float]) -> float:
    return sum(p * q for p, q in zip(x, y, strict=True))


def unit(x: list[float]) -> list[float]:
    return [p / math.sqrt(dot(x, x)) for p in x]


def naive_nt_xent(one: Rows, other: Rows, temperature: float) -> float:
    every, b, total = [unit(x) for x in one + other], len(one), 0.0
    for i, x in enumerate(every):
        partner = (i + b) % (2 * b)
        others = sum(math.exp(dot(x, every[k]) / temperature) for k in range(2 * b) if k != i)
        total -= math.log(math.exp(dot(x, every[partner]) / temperature) / others)
    return total / (2 * b)


def naive_covariances(x: Rows) -> Rows:
    b, d = len(x), len(x[0])
    means = [sum(row[j] for row in x) / b for j in range(d)]
    return [[sum((row[j] - means[j]) * (row[k] - means[k]) for row in x) / (b - 1) for k in range(d)] for j in range(d)]


def naive_variance(x: Rows) -> float:
    c = naive_covariances(x)
    return sum(max(0.0, 1 - math.sqrt(c[j][j] + 1e-4)) for j in range(len(c))) / len(c)


def naive_covariance(x: Rows) -> float:
    c = naive_covariances(x)
    return sum(c[j][k] ** 2 for j in range(len(c)) for k in range(len(c)) if j != k) / len(c)


def naive_invariance(x: Rows, y: Rows) -> float:
    return sum((p - q) ** 2 for r, s in zip(x, y, strict=True) for p, q in zip(r, s, strict=True)) / len(x) / len(x[0])


def naive_trajectory(first: Rows, middle: Rows, last: Rows) -> float:
    total = 0.0
    for a, b, c in zip(first, middle, last, strict=True):
        a, b, c = unit(a), unit(b), unit(c)
        legs = [[q - p for p, q in zip(x, y, strict=True)] for x, y in ((a, b), (b, c))]
        flat = [[p - dot(leg, b) * q for p, q in zip(leg, b, strict=True)] for leg in legs]
        scale = math.sqrt(dot(flat[0], flat[0]) * dot(flat[1], flat[1]))
        total += dot(*flat) / scale if scale > 1e-8 else 0.0
    return -total / len(first)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize(("b", "d"), GRID)
def test_nt_xent_is_the_loop(b: int, d: int, temperature: float) -> None:
    one, other = rows(b, d, 1), rows(b, d, 2)
    expected = naive_nt_xent(one.tolist(), other.tolist(), temperature)
    assert float(losses.nt_xent(one, other, temperature)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("b", "d"), GRID)
def test_the_other_terms_are_their_loops(b: int, d: int) -> None:
    x, y, z = rows(b, d, 1), rows(b, d, 2) / 2, rows(b, d, 3)
    one, other, third = x.tolist(), y.tolist(), z.tolist()
    near = {"rel": 1e-4, "abs": 1e-5}
    cosines = sum(dot(unit(p), unit(q)) for p, q in zip(one, other, strict=True)) / b
    assert float(losses.cosine(x, y)) == pytest.approx(1 - cosines, **near)
    assert float(losses.byol(x, y)) == pytest.approx(2 - 2 * cosines, **near)
    assert float(losses.invariance(x, y)) == pytest.approx(naive_invariance(one, other), **near)
    assert float(losses.variance(y)) == pytest.approx(naive_variance(other), **near)
    assert float(losses.covariance(x)) == pytest.approx(naive_covariance(one), **near)
    assert float(losses.trajectory(x, y, z)) == pytest.approx(naive_trajectory(one, other, third), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("b", "d"), GRID[::5])
def test_sums_of_terms_are_made_of_the_right_ones(b: int, d: int) -> None:
    x, y, p, u, v = (rows(b, d, seed) / 2 for seed in range(5))
    one, other, predicted = x.tolist(), y.tolist(), p.tolist()
    found = losses.vicreg(x, y)
    assert float(found["variance"]) == pytest.approx((naive_variance(one) + naive_variance(other)) / 2, rel=1e-4)
    both = naive_covariance(one) + naive_covariance(other)
    assert float(found["covariance"]) == pytest.approx(both, rel=1e-4, abs=1e-6)
    split = losses.sie((x, y), (u, v), p)
    whole = (
        [[*a, *c] for a, c in zip(one, u.tolist(), strict=True)],
        [[*a, *c] for a, c in zip(other, v.tolist(), strict=True)],
    )
    assert float(split["invariance"]) == pytest.approx(naive_invariance(one, other), rel=1e-4)
    assert float(split["equivariance"]) == pytest.approx(naive_invariance(predicted, v.tolist()), rel=1e-4)
    variances = sum(naive_variance(rows) for rows in (*whole, predicted)) / 2
    assert float(split["variance"]) == pytest.approx(variances, rel=1e-4)
    assert float(split["covariance"]) == pytest.approx(sum(naive_covariance(w) for w in whole), rel=1e-4)
    two = losses.equimod((x, y), p, v, 0.3)
    assert float(two["invariance"]) == pytest.approx(naive_nt_xent(one, other, 0.3), rel=1e-4)
    assert float(two["equivariance"]) == pytest.approx(naive_nt_xent(predicted, v.tolist(), 0.3), rel=1e-4)


def test_weights_multiply_terms_by_name() -> None:
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert float(losses.weighted(terms, {"b": 10.0, "a": 1.0})) == 32.0
    with pytest.raises(KeyError, match="weights"):
        losses.weighted(terms, {"a": 1.0})


def test_straight_paths_bent_paths_and_no_path() -> None:
    angle = torch.tensor([0.1, 0.3])
    first, middle, last = (torch.stack([(k * angle).cos(), (k * angle).sin()], dim=1) for k in (0, 1, 2))
    assert float(losses.trajectory(first, middle, last)) == pytest.approx(-1, abs=1e-5)
    assert float(losses.trajectory(first, middle, first)) == pytest.approx(1, abs=1e-5)
    assert float(losses.trajectory(3 * first, middle, 0.2 * last)) == pytest.approx(-1, abs=1e-5)  # sizes do not matter
    still = middle.clone().requires_grad_()
    loss = losses.trajectory(still, still, last)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(still.grad, torch.zeros_like(still))


def test_gradients_agree_with_finite_differences() -> None:
    x, y, z = (rows(4, 3, seed).double().requires_grad_() for seed in (1, 2, 3))
    # Losses compute in single precision, so differences are coarse.
    options = {"eps": 1e-2, "atol": 2e-3, "rtol": 2e-2}
    assert torch.autograd.gradcheck(lambda a, b: losses.nt_xent(a, b, 0.5).double(), (x, y), **options)
    assert torch.autograd.gradcheck(lambda a, b, c: losses.trajectory(a, b, c).double(), (x, y, z), **options)
    assert torch.autograd.gradcheck(lambda a: losses.covariance(a).double(), (x,), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.nt_xent(torch.ones(1, 3), torch.ones(1, 3)), "batch of 1 stream has no contrast"),
        (lambda: losses.variance(torch.ones(1, 3)), "batch of 1 stream has no variance"),
        (lambda: losses.covariance(torch.ones(1, 3)), "batch of 1 stream has no covariance"),
        (lambda: losses.nt_xent(torch.ones(2, 3), torch.ones(2, 3), 0.0), "temperature is 0.0"),
    ],
)
def test_degenerate_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_half_precision_does_not_reach_the_sums() -> None:
    one, other = rows(8, 7, 1), rows(8, 7, 2)
    exact = losses.nt_xent(one, other, 0.1), losses.covariance(one)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses.nt_xent(one, other, 0.1), losses.covariance(one)
    assert [float(x) for x in found] == [float(x) for x in exact]


WORKER = """
import sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from gazeworld.models import losses
from pathlib import Path
folder, rank = Path(sys.argv[1]), int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
def work():
    data = torch.load(folder / "data.pt", weights_only=True).chunk(2, dim=1)[rank]
    found = {}
    for name in ("nt_xent", "variance", "covariance", "vicreg", "sie"):
        x, y, p = (part.clone().requires_grad_() for part in data)
        net = torch.nn.Linear(x.shape[1], 5, bias=False)
        net.weight.data.copy_(torch.arange(5 * x.shape[1]).reshape(5, -1).sin())
        net = DistributedDataParallel(net)
        u, v, w = net(torch.cat([x, y, p])).chunk(3)
        if name == "nt_xent":
            loss = losses.nt_xent(u, v, 0.2)
        elif name == "vicreg":
            loss = sum(losses.vicreg(u, v).values())
        elif name == "sie":
            loss = sum(losses.sie((u, v), (v, w), w).values())
        else:
            loss = getattr(losses, name)(u / 3)
        loss.backward()
        found[name] = {"loss": loss.detach(), "x": x.grad, "weight": net.module.weight.grad}
    assert losses.gather(data[0]).shape[0] == 2 * len(data[0])
    torch.save(found, folder / f"found{rank}.pt")
work()  # what holds the group is gone when the group ends, and both processes are still there
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_are_one_batch(tmp_path: Path) -> None:
    data = torch.stack([rows(6, 4, seed) for seed in (1, 2, 3)])
    torch.save(data, tmp_path / "data.pt")
    words = [sys.executable, "-c", WORKER, str(tmp_path)]
    options = {"stderr": subprocess.PIPE, "text": True, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    running = [subprocess.Popen([*words, str(rank)], **options) for rank in (0, 1)]
    for process in running:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    ranks = [torch.load(tmp_path / f"found{rank}.pt", weights_only=True) for rank in (0, 1)]
    weight = torch.arange(20).reshape(5, 4).sin()
    calls = {
        "nt_xent": lambda u, v, w: losses.nt_xent(u, v, 0.2),
        "variance": lambda u, v, w: losses.variance(u / 3),
        "covariance": lambda u, v, w: losses.covariance(u / 3),
        "vicreg": lambda u, v, w: sum(losses.vicreg(u, v).values()),
        "sie": lambda u, v, w: sum(losses.sie((u, v), (v, w), w).values()),
    }
    for name, call in calls.items():
        x, matrix = data[0].clone().requires_grad_(), weight.clone().requires_grad_()
        loss = call(x @ matrix.T, data[1] @ matrix.T, data[2] @ matrix.T)
        loss.backward()
        mean = torch.stack([rank[name]["loss"] for rank in ranks]).mean()
        torch.testing.assert_close(mean, loss.detach(), msg=name)
        # What each process wants of its rows is summed, so twice the gradient of the mean; DDP averages parameters'.
        torch.testing.assert_close(torch.cat([rank[name]["x"] for rank in ranks]) / 2, x.grad, msg=name)
        for rank in ranks:
            torch.testing.assert_close(rank[name]["weight"], matrix.grad, msg=name)
