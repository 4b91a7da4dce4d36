"""Fixations: drawn exactly from the inhibited map, whatever road the draw takes."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from gazeworld.envs import alias_tables, saliency, tabled_prior
from gazeworld.envs.files import DataError
from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.scene_priors import fixation_prior_of
from gazeworld.envs.tabled_prior import TabledPrior

SIDE = 12
DRAWS = 10_000
LATTICES = [Lattice(SIDE, 4), Lattice(SIDE, 5), Lattice(SIDE, 4, "zeros"), Lattice(SIDE, 5, "zeros")]


def hilly(m: int = 3, side: int = SIDE) -> Tensor:
    """Uneven maps with a stretch of zeros; not normalised."""
    maps = torch.rand(m, side, side, generator=torch.Generator().manual_seed(1)) ** 3
    maps[:, 6, :] = 0
    return maps


def target(mass: Tensor, lattice: Lattice, tops: list[tuple[int, int]], how: Inhibition) -> np.ndarray:
    """The inhibited distribution over the lattice by a naive loop; `mass` is one map, h w."""
    t, f = lattice.count, lattice.glimpse
    radius = how.radius or f / 2
    kept = tops[-how.memory :] if how.memory else tops
    table = np.zeros((t, t))
    for i in range(t):
        for j in range(t):
            table[i, j] = mass[i + lattice.low + f // 2, j + lattice.low + f // 2]
            for top, left in kept:
                r, c = i + lattice.low - top, j + lattice.low - left
                distance = np.hypot(r, c) if how.shape == "circle" else max(abs(r), abs(c))
                if distance <= radius:
                    table[i, j] = (1 - how.strength) * mass[i + lattice.low + f // 2, j + lattice.low + f // 2]
                    break
    return table / table.sum()


def counts(poses: Tensor, lattice: Lattice) -> np.ndarray:
    """How often each place of the lattice was drawn."""
    places = lattice.tops(poses) - lattice.low
    return torch.bincount(places[:, 0] * lattice.count + places[:, 1], minlength=lattice.count**2).numpy()


def require_like(found: np.ndarray, expected: np.ndarray) -> None:
    """Chi-square of counts against probabilities; cells without mass must be empty."""
    expected = expected.flatten()
    assert found[expected == 0].sum() == 0
    often = expected * found.sum() >= 5
    pooled = np.append(found[often], found[~often].sum()), np.append(expected[often], expected[~often].sum())
    seen, wanted = (x[pooled[1] > 0] for x in pooled)
    wanted = wanted * found.sum()
    statistic = ((seen - wanted) ** 2 / wanted).sum()
    assert chi2.sf(statistic, len(wanted) - 1) > 1e-4


def visits(lattice: Lattice, tops: list[tuple[int, int]], b: int) -> Tensor:
    return lattice.poses(torch.tensor(tops)).expand(b, -1, -1)


def two_visits(lattice: Lattice) -> list[tuple[int, int]]:
    return [(lattice.low + 1, lattice.low + 2), (lattice.low + 4, lattice.low + 5)]


# ---- tables -----------------------------------------------------------------------------------------------------


def test_masses_of_a_table_are_those_it_was_built_from() -> None:
    weights = hilly(5).flatten(1)
    weights[1] = 0
    weights[1, 17] = 1e-20  # all mass in one cell
    weights[2] = 3.0  # uniform
    weights[3, ::2] = 0
    found = alias_tables.masses(alias_tables.build(weights))
    total = SIDE**2 * alias_tables.UNIT
    assert (found.sum(1) == total).all()
    exact = weights.double() / weights.double().sum(1, keepdim=True) * total
    assert (found - exact).abs().max() <= 1
    assert (found[weights == 0] == 0).all()


def test_long_rows_take_wider_entries() -> None:
    weights = torch.rand(1, 70_000, generator=torch.Generator().manual_seed(0))
    table = alias_tables.build(weights)
    assert table.dtype == torch.int64
    assert alias_tables.build(weights[:, :65_536]).dtype == torch.int32
    assert (
        alias_tables.masses(table) - weights.double() / weights.double().sum() * 70_000 * alias_tables.UNIT
    ).abs().max() <= 1
    cells = alias_tables.draw(table, torch.zeros(2000, dtype=torch.int64), Draws.rows(0, 2000), 5)
    assert cells.min() >= 0
    assert 65_536 < cells.max() < 70_000


# ---- exactness --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_draws_without_inhibition_follow_the_map(lattice: Lattice) -> None:
    maps = hilly()
    poses = TabledPrior(maps, lattice).sample(torch.full((DRAWS,), 1), Draws.rows(5, DRAWS))
    require_like(counts(poses, lattice), target(maps[1], lattice, [], Inhibition()))


HOW = {
    "circle": Inhibition(),
    "square": Inhibition(shape="square"),
    "wide": Inhibition(radius=3.0),
    "narrow": Inhibition(radius=0.5),
    "memory": Inhibition(memory=1),
    "weak": Inhibition(strength=0.6),
    "off": Inhibition(strength=0.0),
}


@pytest.mark.parametrize("road", ["few", "many", "dense"])
@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("lattice", LATTICES[:1] + LATTICES[3:], ids=str)
def test_draws_with_inhibition_are_exact_on_every_road(
    lattice: Lattice, how: Inhibition, road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two candidates are often rejected: then the second and third roads carry many of the draws.
    monkeypatch.setattr(tabled_prior, "FEW", 4 if road == "few" else 1)
    monkeypatch.setattr(tabled_prior, "MANY", 1 if road == "dense" else 8)
    maps, tops = hilly(), two_visits(lattice)
    found = TabledPrior(maps, lattice).sample(
        torch.full((DRAWS,), 2), Draws.rows(11, DRAWS), visits(lattice, tops, DRAWS), how
    )
    require_like(counts(found, lattice), target(maps[2], lattice, tops, how))


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_dense_passes_alone_are_exact(how: Inhibition) -> None:
    """All candidates rejected, forced: the last road for every row."""
    lattice, maps = LATTICES[0], hilly()
    tops, p = two_visits(lattice), TabledPrior(maps, LATTICES[0])
    seen = p._seen(visits(lattice, tops, DRAWS), how)
    cells = p._dense(torch.zeros(DRAWS, dtype=torch.int64), Draws.rows(2, DRAWS), seen, how)
    found = np.bincount(cells.numpy(), minlength=lattice.count**2)
    require_like(found, target(maps[0], lattice, tops, how))


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_probabilities_are_those_of_the_naive_loop(lattice: Lattice, how: Inhibition) -> None:
    maps, tops = hilly(), two_visits(lattice)
    p = TabledPrior(maps, lattice)
    found = p.probabilities(torch.arange(3), visits(lattice, tops, 3), how)
    expected = np.stack([target(m, lattice, tops, how) for m in maps])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert (found.numpy()[expected == 0] == 0).all()


def test_log_probabilities_belong_to_what_was_drawn() -> None:
    lattice, p = LATTICES[0], TabledPrior(hilly(), LATTICES[0])
    scenes, rng = torch.arange(600) % 3, Draws.rows(0, 600)  # more rows than are looked at in one piece
    seen = visits(lattice, two_visits(lattice), 600)
    for visited, how in ((None, None), (seen, Inhibition()), (seen, Inhibition(strength=0.5))):
        poses = p.sample(scenes, rng, visited, how)
        whole = p.probabilities(scenes, visited, how).flatten(1)
        places = lattice.tops(poses)
        expected = whole.gather(1, (places[:, :1] * lattice.count + places[:, 1:]))[:, 0].log()
        torch.testing.assert_close(p.log_prob(scenes, poses, visited, how), expected)
    assert (p.log_prob(scenes, seen[:, 0], seen, Inhibition()) == -torch.inf).all()


@pytest.mark.parametrize(("shape", "pixels"), [("circle", 797), ("square", 1089)])
def test_inhibited_areas_are_those_of_paper_and_released_code(shape: str, pixels: int) -> None:
    lattice = Lattice(96, 32)
    p = TabledPrior(torch.ones(1, 96, 96), lattice)
    middle = visits(lattice, [(32, 32)], 1)
    left = p.probabilities(torch.zeros(1, dtype=torch.int64), middle, Inhibition(shape=shape))
    assert (left == 0).sum() == pixels


def test_uniform_fixations_can_be_inhibited() -> None:
    """The released code ignores inhibition where there is no map."""
    lattice, how = Lattice(96, 32), Inhibition()
    p = TabledPrior(torch.full((1, 96, 96), 1 / 96**2), lattice)
    scenes, seen = torch.arange(2000), visits(lattice, [(20, 20), (50, 40)], 2000)
    for step in range(3):
        pose = p.sample(scenes, Draws.rows(0, 2000).fold(step), seen, how)
        away = (pose[:, None] - seen).norm(dim=2) * 96
        assert away.min() > 16
        seen = torch.cat((seen, pose[:, None]), 1)
    free = p.sample(scenes, Draws.rows(0, 2000), seen)
    assert (free[:, None] - seen).norm(dim=2).min() * 96 <= 16


# ---- what is left when nothing is left --------------------------------------------------------------------------


def test_where_no_mass_is_left_the_free_places_are_equally_likely() -> None:
    lattice, maps = LATTICES[0], torch.zeros(1, SIDE, SIDE)
    maps[0, 3:5, 4:6] = 1  # a spot that one visit covers
    how, tops = Inhibition(radius=3.0), [(2, 3)]
    found = TabledPrior(maps, lattice).sample(
        torch.zeros(DRAWS, dtype=torch.int64), Draws.rows(1, DRAWS), visits(lattice, tops, DRAWS), how
    )
    expected = target(torch.ones(SIDE, SIDE), lattice, tops, how)
    assert 0 < (expected == 0).sum() < expected.size
    require_like(counts(found, lattice), expected)


def test_where_no_place_is_left_inhibition_is_ignored() -> None:
    lattice, maps, how = LATTICES[0], hilly(1), Inhibition(radius=100.0)
    found = TabledPrior(maps, lattice).sample(
        torch.zeros(DRAWS, dtype=torch.int64), Draws.rows(1, DRAWS), visits(lattice, [(2, 3)], DRAWS), how
    )
    require_like(counts(found, lattice), target(maps[0], lattice, [], how))


# ---- rows, devices, keys ----------------------------------------------------------------------------------------


def test_rows_do_not_depend_on_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabled_prior, "FEW", 1)  # all three roads are taken
    monkeypatch.setattr(tabled_prior, "MANY", 2)
    lattice, how = LATTICES[0], Inhibition(radius=4.0)
    p = TabledPrior(hilly(7), lattice)
    scenes, rng = torch.arange(400) % 7, Draws.rows(3, 400)
    seen = p.sample(scenes.repeat(2), Draws.rows(9, 800)).view(2, 400, 2).transpose(0, 1)
    whole = p.sample(scenes, rng, seen, how)
    for rows in (torch.tensor([17]), torch.arange(100, 163), torch.tensor([399, 0])):
        assert torch.equal(p.sample(scenes[rows], rng[rows], seen[rows], how), whole[rows])
    assert torch.equal(p.sample(scenes, rng, seen, how), whole)
    assert not torch.equal(p.sample(scenes, rng.fold(1), seen, how), whole)


def test_nothing_visited_is_nothing_inhibited() -> None:
    p, scenes, rng = TabledPrior(hilly(), LATTICES[0]), torch.arange(3), Draws.rows(0, 3)
    assert torch.equal(p.sample(scenes, rng, torch.zeros(3, 0, 2), Inhibition()), p.sample(scenes, rng))


def test_poses_are_legal_and_exactly_those_of_the_lattice() -> None:
    for lattice in LATTICES:
        poses = TabledPrior(hilly(), lattice).sample(torch.zeros(500, dtype=torch.int64), Draws.rows(0, 500))
        tops = lattice.tops(poses)
        assert torch.equal(lattice.poses(tops), poses)
        assert tops.min() >= lattice.low
        assert tops.max() < lattice.low + lattice.count


@pytest.mark.parametrize(
    ("lattice", "first", "last"),
    list(zip(LATTICES, [0, 0, -2, -2], [8, 7, 9, 9], strict=True)),
    ids=str,
)
def test_the_lattice_reaches_from_border_to_border(lattice: Lattice, first: int, last: int) -> None:
    corners = torch.tensor([[-1.0, 2.0], [2.0, -1.0]])
    assert lattice.tops(corners).tolist() == [[first, last], [last, first]]
    poses = TabledPrior(torch.ones(1, SIDE, SIDE), lattice).sample(torch.zeros(3000).long(), Draws.rows(0, 3000))
    assert lattice.tops(poses).unique().tolist() == list(range(first, last + 1))


def test_a_fixation_looks_at_the_pixel_whose_mass_it_has() -> None:
    for lattice in LATTICES:
        maps = torch.zeros(1, SIDE, SIDE)
        maps[0, 5, 7] = 1
        pose = TabledPrior(maps, lattice).sample(torch.zeros(1, dtype=torch.int64), Draws.rows(0, 1))
        crop = lattice.tops(pose)[0] + lattice.glimpse // 2
        assert crop.tolist() == [5, 7]


def source(n: int) -> Images:
    pixels = torch.randint(0, 256, (n, SIDE, SIDE, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    maps = hilly(n) + 0.01
    return Images("noise", "train", pixels, torch.arange(n) % 3, ("x", "y", "z"), (0.5,), (0.2,), f"noise{n}", maps)


def test_tables_come_from_the_cache_the_second_time(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path))
    built = []
    real = alias_tables.build
    monkeypatch.setattr(alias_tables, "build", lambda mass: (built.append(len(mass)), real(mass))[1])
    images, scenes, rng = source(300), torch.arange(300), Draws.rows(0, 300)
    first = fixation_prior_of(images, "image-signature", LATTICES[0]).sample(scenes, rng)
    again = fixation_prior_of(images, "image-signature", LATTICES[0]).sample(scenes, rng)
    assert torch.equal(first, again)
    assert sum(built) == 300
    assert len(built) > 1, "the test should go through several chunks"
    others = [
        fixation_prior_of(images, "image-signature", LATTICES[1]),
        fixation_prior_of(images, "image-signature", LATTICES[0], sigma=0.2),
        fixation_prior_of(images, "precomputed", LATTICES[0]),
    ]
    assert sum(built) == 1200
    assert all(not torch.equal(other.sample(scenes, rng), first) for other in others)


def test_a_mismatched_prior_is_that_of_an_image_of_another_label() -> None:
    images, own = source(6), torch.arange(6)
    # Labels 0 1 2 0 1 2: in their order the images are 0 3 1 4 2 5, and two further on 1 4 2 5 0 3.
    other = torch.tensor([1, 2, 0, 4, 5, 3])
    assert (images.labels[other] != images.labels).all()
    for kind, base in (("mismatched", "image-signature"), ("mismatched-precomputed", "precomputed")):
        matched = fixation_prior_of(images, base, LATTICES[0]).probabilities(other)
        assert torch.equal(fixation_prior_of(images, kind, LATTICES[0]).probabilities(own), matched)
        whole = saliency.saliency_maps(images, kind)
        window = LATTICES[0].window(whole)
        torch.testing.assert_close(matched.flatten(1), window / window.sum(1, keepdim=True), atol=1e-5, rtol=0)


def test_maps_without_mass_where_a_glimpse_may_lie_are_refused() -> None:
    maps = hilly(4)
    maps[2] = 0
    maps[2, 0, 0] = 1
    with pytest.raises(DataError, match=r"here/train: .*glimpse of 4 px.* image 2 is zero everywhere"):
        TabledPrior(maps, LATTICES[0], name="here/train: maps")
    TabledPrior(maps, LATTICES[2])
    with pytest.raises(DataError, match=r"maps of shape \(4, 12, 12\), expected \(m, 13, 13\)"):
        TabledPrior(maps, Lattice(13, 4))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"radius": -1.0}, "radius is -1.0"),
        ({"radius": float("nan")}, "radius is nan"),
        ({"shape": "hexagon"}, "shape is 'hexagon', expected 'circle' or 'square'"),
        ({"memory": -2}, "memory is -2"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"strength": float("nan")}, "strength is nan"),
    ],
)
def test_bad_inhibition_is_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Inhibition(**options)


@pytest.mark.parametrize(("options", "said"), [((12, 13), "13 px on images of 12"), ((12, 4, "wrap"), "'wrap'")])
def test_bad_lattices_are_refused(options: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Lattice(*options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_draws_the_same_places() -> None:
    lattice, how, scenes = LATTICES[0], Inhibition(radius=4.0), torch.arange(300) % 3
    drawn = []
    for device in ("cpu", "cuda"):
        p = TabledPrior(hilly(), lattice, device=device)
        seen = visits(lattice, two_visits(lattice), 300).to(device)
        poses = p.sample(scenes.to(device), Draws.rows(0, 300, device=device), seen, how)
        assert poses.device.type == device
        drawn.append(poses.cpu())
    assert torch.equal(*drawn)
