"""A pass over a scene's own map draws what a table draws, asks for each map once, and knows where one has looked."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from gazeworld.envs.dense_prior import DensePrior, Recent
from gazeworld.envs.files import DataError
from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.images import Images, LazyImages
from gazeworld.envs.map_sets import TensorMaps
from gazeworld.envs.prior import Prior, normalised
from gazeworld.envs.rng import Draws
from gazeworld.envs.scene_priors import bound, fixation_prior_of, reading, shown_maps
from gazeworld.envs.tabled_prior import TabledPrior
from gazeworld.envs.worlds.saccade import SaccadeWorld

SIDE, N = 12, 9
LATTICES = [Lattice(SIDE, 4), Lattice(SIDE, 5, "zeros")]
HOW = [None, Inhibition(), Inhibition(radius=3.0, strength=0.6), Inhibition(radius=2.0, memory=1, shape="square")]


def images(n: int = N, maps: Tensor | None = None) -> Images:
    pixels = torch.randint(0, 256, (n, SIDE, SIDE, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Images("noise", "train", pixels, torch.arange(n) % 3, ("x", "y", "z"), (0.5,), (0.2,), "", maps)


def lazy(of: Images) -> LazyImages:
    maps = None if of.maps is None else TensorMaps(of.maps, "noise/train", kind="made up")
    return LazyImages(
        "noise", "train", lambda i: of.pixels[i].numpy(), SIDE, of.labels, of.classes, of.mean, of.std, "", maps
    )


class Given(Prior):
    """Maps by number, and how often each was asked for; with a past, the last fixation's pixel has half of the mass."""

    stored = True

    def __init__(self, maps: Any, remembers: bool = False) -> None:
        self.maps, self.remembers = maps, remembers
        self.asked: list[int] = []

    def log_density(self, images, history=None, *, index=None):
        self.asked += index.tolist()
        found = self.maps[index].double()
        found = found / found.sum((1, 2), keepdim=True)
        if history is not None and history.shape[1]:
            places = (history[:, -1] * SIDE).long().clamp(0, SIDE - 1)
            found[torch.arange(len(found)), places[:, 0], places[:, 1]] += 1
        return normalised(found.log())

    def key(self) -> dict[str, Any]:
        return {"prior": "given"}


def dense(prior: Prior, lattice: Lattice, **options: Any) -> DensePrior:
    def never(index: Tensor) -> Tensor:
        raise AssertionError("a stored prior looks at no pixels")

    return DensePrior(prior, never, lattice, **options)


def hilly(m: int = N) -> Tensor:
    maps = torch.rand(m, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) ** 3
    maps[:, 6, :] = 0
    return maps


def visits(lattice: Lattice, b: int) -> Tensor:
    tops = torch.tensor([(lattice.low + 1, lattice.low + 2), (lattice.low + 4, lattice.low + 5)])
    return lattice.poses(tops).expand(b, -1, -1)


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_the_distribution_is_exactly_that_of_a_table(lattice: Lattice, how: Inhibition | None) -> None:
    scenes = torch.arange(150) % N  # rows of three pieces
    maps = Given(hilly()).log_density(None, index=torch.arange(N)).double().exp()
    table, ours = TabledPrior(maps, lattice), dense(Given(hilly()), lattice)
    past = visits(lattice, 150)
    assert torch.equal(ours.probabilities(scenes, past, how), table.probabilities(scenes, past, how))
    poses = ours.sample(scenes, Draws.rows(0, 150), past, how)
    assert torch.equal(ours.log_prob(scenes, poses, past, how), table.log_prob(scenes, poses, past, how))
    assert ours.log_prob(scenes, poses, past, how).isfinite().all()


@pytest.mark.parametrize("how", HOW, ids=str)
def test_draws_follow_the_inhibited_map(how: Inhibition | None) -> None:
    lattice, draws = LATTICES[0], 6000
    ours = dense(Given(hilly(1)), lattice)
    scenes, past = torch.zeros(draws, dtype=torch.int64), visits(lattice, draws)
    poses = ours.sample(scenes, Draws.rows(3, draws), past, how)
    assert torch.equal(lattice.poses(lattice.tops(poses)), poses)
    places = lattice.places(poses)
    found = np.bincount((places[:, 0] * lattice.count + places[:, 1]).numpy(), minlength=lattice.count**2)
    wanted = ours.probabilities(scenes[:1], past[:1], how).flatten().double().numpy() * draws
    assert found[wanted == 0].sum() == 0
    often = wanted >= 5
    seen, expected = (np.append(x[often], x[~often].sum()) for x in (found, wanted))
    seen, expected = seen[expected > 0], expected[expected > 0]
    assert chi2.sf(((seen - expected) ** 2 / expected).sum(), len(expected) - 1) > 1e-4


def test_where_nothing_is_left_the_same_is_done_as_with_a_table() -> None:
    lattice, maps = LATTICES[0], torch.zeros(1, SIDE, SIDE)
    maps[0, 3:5, 4:6] = 1
    scenes, past = torch.zeros(1, dtype=torch.int64), lattice.poses(torch.tensor([[(2, 3)]]))
    for how in (Inhibition(radius=3.0), Inhibition(radius=100.0)):
        ours, table = dense(Given(maps), lattice), TabledPrior(maps, lattice)
        assert torch.equal(ours.probabilities(scenes, past, how), table.probabilities(scenes, past, how))


def test_each_map_is_asked_for_once_and_a_bounded_number_is_kept() -> None:
    given = Given(hilly(200))
    lattice, cells = LATTICES[0], LATTICES[0].count ** 2
    ours = dense(given, lattice, budget=100 * 4 * cells)
    scenes = torch.arange(80).repeat(2)
    rng = Draws.rows(0, 160)
    first = ours.sample(scenes, rng)
    assert given.asked == list(range(80))
    assert torch.equal(ours.sample(scenes, rng), first)
    ours.log_prob(scenes, first)
    assert len(given.asked) == 80
    ours.sample(torch.arange(200), Draws.rows(0, 200))
    assert given.asked[80:] == list(range(80, 200)), "the first 80 were still there"
    ours.sample(torch.arange(100, 200), Draws.rows(0, 100))
    assert len(given.asked) == 200, "the last 100 are still there"
    assert torch.equal(ours.sample(scenes, rng), first)
    assert given.asked[200:] == list(range(80)), "the others were let go"


def test_recent_rows_are_those_of_their_names() -> None:
    recent = Recent((2,), torch.int64, torch.device("cpu"), budget=0)  # ROWS of them

    def make(names: list[int]):
        return lambda missing: torch.tensor([[names[i], -names[i]] for i in missing.tolist()])

    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        names = torch.randint(0, 150, (64,), generator=generator).tolist()
        found = recent([str(name).encode() for name in names], make(names))
        assert found.tolist() == [[name, -name] for name in names]


def test_a_prior_that_remembers_is_told_the_past_and_asked_anew() -> None:
    given, lattice = Given(torch.ones(2, SIDE, SIDE), remembers=True), LATTICES[0]
    ours = dense(given, lattice)
    scenes, past = torch.tensor([0, 1, 0]), lattice.poses(torch.tensor([[(1, 2)], [(4, 5)], [(6, 0)]]))
    found = ours.probabilities(scenes, past)
    for row, (top, left) in enumerate([(1, 2), (4, 5), (6, 0)]):
        assert int(found[row].argmax()) == top * lattice.count + left
    assert given.asked == [0, 1, 0], "one scene after two different pasts has two maps"
    assert (ours.log_prob(scenes, past[:, 0], past) > np.log(0.5)).all()
    assert given.asked == [0, 1, 0]
    inhibited = ours.probabilities(scenes, past, Inhibition(radius=1.0))
    assert (inhibited.flatten(1).gather(1, found.flatten(1).argmax(1, keepdim=True)) == 0).all()
    assert ours.probabilities(scenes).flatten(1).std(1).max() < 1e-6, "no past, no preference"


def test_a_centre_gaussian_multiplies_the_density() -> None:
    own = fixation_prior_of(images(), "contrast", LATTICES[0], sigma=0.2)
    other = fixation_prior_of(lazy(images()), "contrast", LATTICES[0], sigma=0.2)
    assert isinstance(own, TabledPrior)
    assert isinstance(other, DensePrior)
    scenes = torch.arange(N)
    torch.testing.assert_close(own.probabilities(scenes), other.probabilities(scenes), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "kind",
    ["uniform", "centre", "image-signature", "contrast", "precomputed", "mismatched", "mismatched-precomputed",
     "transposed", "transposed-precomputed", "mismatched-contrast", "transposed-centre"],
)  # fmt: skip
def test_images_that_are_read_when_looked_at_have_the_fixations_of_those_at_hand(kind: str) -> None:
    at_hand, scenes = images(maps=hilly() + 0.01), torch.arange(N)
    for sigma in (0.0, 0.3):
        own = fixation_prior_of(at_hand, kind, LATTICES[1], sigma=sigma)
        other = fixation_prior_of(lazy(at_hand), kind, LATTICES[1], sigma=sigma)
        assert isinstance(own, TabledPrior)
        assert isinstance(other, TabledPrior) == (kind in ("uniform", "centre", "transposed-centre"))
        torch.testing.assert_close(own.probabilities(scenes), other.probabilities(scenes), atol=1e-5, rtol=0)
    device = torch.device("cpu")
    shown = [
        shown_maps(some, kind, LATTICES[1], reading(some, device), device)(scenes).int()
        for some in (at_hand, lazy(at_hand))
    ]
    assert (shown[0] - shown[1]).abs().max() <= 1
    assert (shown[0].amax((1, 2)) == 255).all()


def test_tables_too_large_are_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    from gazeworld.envs import scene_priors

    monkeypatch.setattr(scene_priors, "TABLES", N * 4 * (SIDE**2 + LATTICES[0].count ** 2))
    assert isinstance(fixation_prior_of(images(), "contrast", LATTICES[0]), TabledPrior)
    monkeypatch.setattr(scene_priors, "TABLES", N * 4 * (SIDE**2 + LATTICES[0].count ** 2) - 1)
    assert isinstance(fixation_prior_of(images(), "contrast", LATTICES[0]), DensePrior)
    assert isinstance(fixation_prior_of(images(), "uniform", LATTICES[0]), TabledPrior)


def test_bad_maps_are_told_when_they_are_asked_for() -> None:
    maps = hilly()
    maps[4] = 0
    maps[4, 0, 0] = 1  # where no glimpse inside looks
    ours = dense(Given(maps), LATTICES[0], name="here/train: maps")
    ours.sample(torch.tensor([1, 2]), Draws.rows(0, 2))
    with pytest.raises(DataError, match=r"here/train: .*glimpse of 4 px.* image 4 is zero everywhere"):
        ours.sample(torch.tensor([1, 4]), Draws.rows(0, 2))
    with pytest.raises(DataError, match=r"noise/train: .*image 4 is zero everywhere"):
        fixation_prior_of(lazy(images(maps=torch.zeros(N, SIDE, SIDE))), "precomputed", LATTICES[0]).sample(
            torch.tensor([4]), Draws.rows(0, 1)
        )
    for bare in (images(), lazy(images())):
        with pytest.raises(DataError, match="noise/train: no saliency maps came with the images"):
            fixation_prior_of(bare, "precomputed", LATTICES[0])


def test_an_unbound_prior_says_what_it_needs() -> None:
    for kind in ("precomputed", "mismatched"):
        prior = bound(images(maps=hilly()), kind)
        with pytest.raises(ValueError, match=f"prior '{kind}' needs the images' numbers"):
            prior.log_density(images().pixels)


def test_a_world_draws_from_any_prior_with_its_options() -> None:
    world = SaccadeWorld(images(), glimpse=4, first="saliency", saliency="centre", map_options={"sigma": 0.05})
    poses = world.scene(torch.arange(N), Draws.rows(0, N)).pose
    assert (poses - 0.5).abs().max() < 0.3
    narrow = world.prior("centre", 0.0, {"sigma": 0.05})
    assert world.prior("centre", 0.0, {"sigma": 0.05}) is narrow
    assert world.prior("centre") is not narrow
    with pytest.raises(ValueError, match=r"prior 'centre': .*width"):
        world.prior("centre", 0.0, {"width": 0.05})
    with pytest.raises(ValueError, match="what JSON knows"):
        world.prior("centre", 0.0, {"sigma": {1}})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_draws_the_same_places() -> None:
    lattice, scenes = LATTICES[0], torch.arange(300) % N
    drawn = []
    for device in ("cpu", "cuda"):
        ours = DensePrior(Given(hilly().to(device)), lambda index: index, lattice, device=device)
        past = visits(lattice, 300).to(device)
        poses = ours.sample(scenes.to(device), Draws.rows(0, 300, device=device), past, Inhibition(radius=4.0))
        assert poses.device.type == device
        drawn.append(poses.cpu())
    assert torch.equal(*drawn)
