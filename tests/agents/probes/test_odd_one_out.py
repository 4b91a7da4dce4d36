"""Puzzles are as the protocol says, and each way of solving them finds what it can and nothing else."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from fakes.object_datasets import objects
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes import odd_one_out as module
from gazeworld.agents.probes.features import quiet
from gazeworld.agents.probes.odd_one_out import Pool, Puzzle, odd_one_out
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.models.method import Method, WorldSpec, make_method

N, V, K = 15, 6, 4
CONFIG = ProbeConfig(epochs_linear=90, batch=64, seed=3)
PUZZLE = Puzzle(views=K, train=240, test=200, epochs=12, batch=48, lr=2e-2)


def world(seed: int = 0, split: str = "train") -> RotationWorld:
    return RotationWorld(replace(objects(n=N, v=V, seed=seed), split=split))


class Planted(Method):
    """Recognises objects by their numbers (or is blind); its aggregator may know the answer, or learn it."""

    view_dim, aggregate_dim = N, K

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Parameter(torch.zeros(K, K))
        self.told: list[Tensor] = []

    def encode(self, views: Tensor) -> Tensor:
        seen = F.one_hot(views[..., 0, 0, 0].long(), N).float() + 0 * self.weight.sum()
        return torch.ones_like(seen) if self.kind == "blind" else seen

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        self.told.append(actions)
        if self.kind == "knows":
            return self.alike(encoded) + 0 * self.weight.sum()
        return self.alike(encoded) @ self.weight  # nothing, until it has learnt

    def alike(self, encoded: Tensor) -> Tensor:
        if encoded.shape[1] < K:
            return encoded.new_zeros(len(encoded), K)
        return (encoded @ encoded.transpose(1, 2)).sum(-1)  # the odd one is like itself alone

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


def measured(*kinds: str, puzzle: Puzzle = PUZZLE) -> dict:
    return odd_one_out({k: Planted(k) for k in kinds}, world(), world(1, "test"), CONFIG, puzzle)


def test_puzzles_are_what_the_protocol_says() -> None:
    pool, n = Pool.of(world(), 0, 0), 6000
    stored = pool.stored
    found = pool.draw(n, K, Draws.rows(0, n))
    anchors = torch.arange(n) * N // n
    odd = F.one_hot(found.place, K).bool()
    assert torch.equal(found.objects[~odd].view(n, K - 1), anchors[:, None].expand(-1, K - 1))
    strangers = found.objects[odd]
    assert (stored.labels[strangers] != stored.labels[anchors]).all()
    views = found.views[~odd].view(n, K - 1)
    assert all(len(set(row)) == K - 1 for row in views.tolist())
    for drawn, values in ((found.place, K), (found.views[odd], V), (views[:, 0], V), (views[:, 2], V)):
        assert (drawn.bincount(minlength=values) / n - 1 / values).abs().max() < 0.03
    of_first = strangers[anchors == 0].bincount(minlength=N)  # ten others of another class
    assert (of_first > 0).sum() == 10
    assert (of_first[of_first > 0] / 400 - 0.1).abs().max() < 0.06
    again = pool.draw(n, K, Draws.rows(0, n))
    assert torch.equal(found.objects, again.objects)
    assert torch.equal(found.views, again.views)
    assert not torch.equal(found.place, pool.draw(n, K, Draws.rows(1, n)).place)
    few = Pool.of(world(), 4, 3).draw(40, K, Draws.rows(0, 40))
    assert set(few.objects.flatten().tolist()) == {0, 3, 7, 11}
    assert few.views.max() == 2


def test_classes_of_any_size_and_order_are_drawn_evenly() -> None:
    some = objects(n=6, v=4)
    some.labels.copy_(torch.tensor([2, 0, 2, 2, 1, 0]))
    n = 6000
    found = Pool.of(RotationWorld(some), 0, 0).draw(n, 3, Draws.rows(0, n))
    strangers = found.objects.gather(1, found.place[:, None])[:, 0]
    anchors = torch.arange(n) * 6 // n
    for anchor, others in ((0, [1, 4, 5]), (1, [0, 2, 3, 4]), (4, [0, 1, 2, 3, 5])):
        drawn = strangers[anchors == anchor].bincount(minlength=6)
        assert drawn.nonzero()[:, 0].tolist() == others
        assert (drawn[others] / 1000 - 1 / len(others)).abs().max() < 0.06


def test_every_way_of_solving_finds_what_it_can() -> None:
    found = measured("knows", "learns", "blind")
    values = found["values"]
    assert (found["chance"], found["unordered"], found["views"]) == (1 / K, 2 / K, K)
    assert values["knows"]["cosine"] == values["learns"]["cosine"] == 1
    assert values["knows"]["aggregate"] > 0.9
    assert values["learns"]["aggregate"] < 0.4  # nothing to be read
    assert values["learns"]["fine-tuned aggregate"] > 0.95
    assert values["knows"]["encoder"] < 0.6  # oddness is no linear function of the views
    for score in values["blind"].values():
        assert score < 0.4
    assert found["training values"]["learns"]["fine-tuned aggregate"] > 0.95


def test_the_head_of_fine_tuning_begins_where_the_frozen_one_ended() -> None:
    method = Planted("knows")
    seen = module._table(method, Pool.of(world(), 0, 0), quiet).draw(64, K, 5, 0)
    z = method.aggregate(seen.z, seen.actions).detach()
    head = module.fit_classifier(z[None], seen.place, K, module.Budget(5))
    solver = module._Solver(method, head)
    torch.testing.assert_close(solver(seen.z, seen.actions), head(z[None])[0])


def test_actions_are_the_worlds_differences() -> None:
    place = world()
    pool = Pool.of(place, 9, 0)
    stored, puzzles = pool.stored, pool.draw(20, K, Draws.rows(2, 20))
    seen = module._table(Planted("knows"), pool, quiet).see(puzzles)
    for i in range(K - 1):
        before, after = (stored.poses[puzzles.objects[:, j], puzzles.views[:, j]] for j in (i, i + 1))
        assert torch.equal(seen.actions[:, i], place.difference(before, after))
    assert torch.equal(seen.z.argmax(-1), puzzles.objects)


def test_fine_tuning_moves_the_aggregator_of_a_copy_and_no_encoder() -> None:
    torch.manual_seed(0)
    options = {"encoder": "small", "dim": 12, "width": 4, "action_width": 4, "predictor_hidden": 16, "dropout": 0.1}
    method = make_method("seq-jepa", WorldSpec((3, 8, 8), 4, (0.5,) * 3, (0.2,) * 3), **options)
    before = copy.deepcopy(method.state_dict())
    table = module._table(method, Pool.of(world(), 0, 0), quiet)
    head = module.fit_classifier(torch.randn(1, 60, method.aggregate_dim), torch.arange(60) % K, K, module.Budget(1))
    state = torch.random.get_rng_state()
    puzzle = replace(PUZZLE, epochs=2, lr=1e-3)
    one, two = (module._fine_tuned(method, head, table, 1, puzzle, quiet) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    after = one.method.state_dict()
    for name, value in before.items():
        assert torch.equal(value, method.state_dict()[name]), name
        moved = not torch.equal(value, after[name])
        assert moved == name.startswith(("aggregator.", "action_projection.")), name
        assert torch.equal(after[name], two.method.state_dict()[name])  # same seed, same result


def test_what_is_written_says_how_it_came_about() -> None:
    small = replace(PUZZLE, train=40, test=30, epochs=0)
    found = measured("knows", puzzle=small)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["heads trained on"] == {"split": "train", "puzzles": 40}
    assert found["scored on"] == {"split": "test", "puzzles": 30}
    assert "fine-tuned aggregate" not in found["values"]["knows"]
    assert found == measured("knows", puzzle=small)


def test_errors_are_one_clear_sentence() -> None:
    with pytest.raises(ValueError, match="views is 2, expected an integer from 3"):
        Puzzle(views=2)
    with pytest.raises(ValueError, match="puzzles of 8 views need 7 of one object, and there are 6"):
        measured("knows", puzzle=replace(PUZZLE, views=8))
    alone = RotationWorld(objects(n=4, v=V, classes=1))
    with pytest.raises(ValueError, match="split 'train' are of one class"):
        odd_one_out({}, alone, alone, CONFIG, PUZZLE)
