"""Where rotations are the same and only signs differ, raw R² falls to its ceiling and nothing else does."""

import json
import math
from dataclasses import replace

import pytest
import torch
from fakes.object_datasets import objects
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes.evaluate import Arena
from gazeworld.agents.probes.features import FULL, Features, quiet
from gazeworld.agents.probes.generalisation import _boxed, elsewhere, generalisation, score_rotation
from gazeworld.agents.probes.measures import Pair, Pairs
from gazeworld.envs.objects import rotations
from gazeworld.envs.objects.rotations import Region
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Quantity
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.models.method import Method

CONFIG = ProbeConfig(views=2, epochs_linear=20, epochs_mlp=1, hidden=8, seed=1)
TURN = Quantity("rotation", lambda p: p[:, :4], lambda p, q: rotations.relative(p[:, :4], q[:, :4]), "mlp", True)


def seen(n: int, region: str, seed: int, sees: bool = True, noise: float = 0.0) -> Features:
    """Features of somebody who sees every rotation and class, or nothing; signs of the truths are left free."""
    generator = torch.Generator().manual_seed(seed)
    uniforms = torch.rand(2, n, 3, generator=generator, dtype=torch.float64)
    q = rotations.from_euler(Region(region).angles(uniforms)).float()  # 2 n 4
    known = rotations.canonical(q)  # all that a view shows
    z = torch.stack([known[0], rotations.relative(known[0], known[1])], 1)  # n 2 4
    z = z + noise * torch.randn(z.shape, generator=generator)
    labels = torch.randint(0, 3, (n,), generator=generator)
    aggregates = F.one_hot(labels, 3).float().expand(2, -1, -1)
    turn = TURN.between(q[0], q[1])
    return Features(
        z * sees,
        {FULL: aggregates * sees},
        turn[:, None],
        turn[:, None],
        turn[:, None],
        turn[:, None],
        {"rotation": turn},
        {"rotation": q[0]},
        labels,
    )


def pairs(region: str = "paper") -> Pairs:
    knows = Pair(seen(1200, region, 0), seen(4000, region, 1), "train", "test")
    blind = Pair(seen(1200, region, 0, False), seen(4000, region, 1, False), "train", "test")
    return {"trained": knows, "untrained": blind}


@pytest.fixture(scope="module")
def found() -> dict:
    there = {"trained": seen(20_000, "ood", 2), "untrained": seen(20_000, "ood", 2, False)}
    return generalisation(pairs(), there, "box", (TURN,), 3, CONFIG)


def test_a_perfect_decoder_falls_to_the_ceiling_by_signs_alone(found: dict) -> None:
    for kind, sign, ceiling in (("relative", "product of w >= 0", -1.02), ("absolute", "w >= 0", -1.16)):
        entry = found[f"{kind} rotation"]
        perfect = entry["perfect"]["there"][sign]["raw"]["mean"]
        assert perfect == pytest.approx(ceiling, abs=0.05)
        assert entry["perfect"]["there"][sign]["sign-invariant"]["mean"] == pytest.approx(1)
        assert entry["perfect"]["here"][sign]["raw"]["mean"] == pytest.approx(1)
        values = entry["values"]["trained"]["ridge"]
        for place in ("here", "there"):
            assert values[place]["sign-invariant"]["mean"] > 0.99
            assert values[place]["degrees"]["mean"] < 1
        assert values["there"]["against the spread here"]["mean"] > 0.99
        assert values["here"]["raw"]["mean"] > 0.99
        assert values["there"]["raw"]["mean"] == pytest.approx(perfect, abs=0.01)
        # The rotations of the box are those of training, so that answers here foretell what happens there.
        assert values["raw with the box's signs"]["mean"] == pytest.approx(ceiling, abs=0.1)
    # Here, too, an answer with w >= 0 misses the sign that the product of two rotations has now and then.
    assert found["relative rotation"]["perfect"]["here"]["w >= 0"]["raw"]["mean"] == pytest.approx(0.77, abs=0.02)


def test_who_sees_nothing_scores_nothing(found: dict) -> None:
    for kind in ("relative", "absolute"):
        entry = found[f"{kind} rotation"]
        values = entry["values"]["untrained"]["ridge"]
        assert abs(values["here"]["raw"]["mean"]) < 0.01
        for place in ("here", "there"):
            assert values[place]["sign-invariant"]["mean"] < 0.01
            assert values[place]["degrees"]["mean"] == pytest.approx(entry["constant"][place]["degrees"]["mean"], abs=8)
            assert entry["constant"][place]["degrees"]["mean"] > 70


def test_rotations_that_are_new_are_told_from_signs_that_are() -> None:
    """A ball left out of training: here a method that is wrong there, in every score."""
    there = {"trained": seen(2000, "held-out", 3), "untrained": seen(2000, "held-out", 3, False)}
    shuffled = replace(there["trained"], encodings=there["trained"].encodings.roll(1, 0))
    entry = generalisation(pairs(), there | {"trained": shuffled}, "ball", (TURN,), 3, CONFIG)["absolute rotation"]
    assert entry["perfect"]["there"]["w >= 0"]["raw"]["mean"] == pytest.approx(1)
    lost = entry["values"]["trained"]["ridge"]["there"]
    assert lost["raw"]["mean"] < -0.5
    assert lost["sign-invariant"]["mean"] < -0.5
    assert lost["degrees"]["mean"] > 30
    # The truths of a ball vary less than those here, so that its own R² makes more of the same errors.
    assert lost["sign-invariant"]["mean"] < lost["against the spread here"]["mean"] < 0.8


@pytest.mark.parametrize("region", ["behind", "ood"])
def test_from_a_turntable_only_what_turned_there_is_compared_with_it(region: str) -> None:
    """Two components of the quaternion are constant here: no number is infinite for that."""
    there = {"trained": seen(3000, region, 3), "untrained": seen(3000, region, 3, False)}
    found = generalisation(pairs("turntable"), there, region, (TURN,), 3, CONFIG)
    json.dumps(found, allow_nan=False)
    for kind in ("relative", "absolute"):
        values = found[f"{kind} rotation"]["values"]["trained"]["ridge"]
        assert len(values["here"]["raw"]["components"]) == 2
        assert len(values["there"]["raw"]["components"]) == (2 if region == "behind" else 4)
        assert len(values["there"]["against the spread here"]["components"]) == 2
        assert values["here"]["degrees"]["mean"] < 1
    if region == "behind":  # whoever sees rotations sees these, too
        assert found["absolute rotation"]["values"]["trained"]["ridge"]["there"]["degrees"]["mean"] < 1


def test_recognition_and_its_drop() -> None:
    there = {"trained": seen(600, "ood", 2), "untrained": seen(600, "ood", 2, False)}
    there["trained"].labels[:300] = (there["trained"].labels[:300] + 1) % 3  # half of it looks like something else
    entry = generalisation(pairs(), there, "box", (TURN,), 3, CONFIG)["recognition"]
    values = entry["values"]["trained"]["aggregate"]
    assert entry["views"] == [1, 2]
    assert values["here"] == [1, 1]
    assert values["there"] == pytest.approx([0.5, 0.5])
    assert values["drop"] == pytest.approx([0.5, 0.5])
    assert max(entry["values"]["untrained"]["aggregate"]["here"]) < 0.45
    assert len(entry["values"]["trained"]["first view"]["there"]) == 1
    assert entry["scored on"]["there"] == {"split": "box", "streams": 600}
    assert entry["scored on"]["here"] == {"split": "test", "streams": 4000}


def test_signs_of_truth_and_answer_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = rotations.canonical(rotations.unit(torch.randn(300, 4, generator=generator)))
    answer = truth + 0.3 * torch.randn(300, 4, generator=generator)
    toss = torch.randint(0, 2, (2, 300, 1), generator=generator) * 2 - 1
    straight, tossed = score_rotation(answer, truth), score_rotation(answer * toss[0], truth * toss[1])
    assert tossed["sign-invariant"]["mean"] == pytest.approx(straight["sign-invariant"]["mean"])
    assert tossed["degrees"]["mean"] == pytest.approx(straight["degrees"]["mean"], rel=1e-4)
    assert tossed["raw"]["mean"] < straight["raw"]["mean"] - 1
    total = 0.0  # the definition, once more by hand
    for o in range(4):
        p = [float(a[o]) * (1 if a[3] > 0 else -1) for a in answer]
        mean = sum(float(t[o]) for t in truth) / 300
        residual = sum((float(t[o]) - x) ** 2 for t, x in zip(truth, p, strict=True))
        total += (1 - residual / sum((float(t[o]) - mean) ** 2 for t in truth)) / 4
    assert straight["sign-invariant"]["mean"] == pytest.approx(total, rel=1e-4)


def test_what_is_written_is_json(found: dict) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"recognition", "relative rotation", "absolute rotation"}
    assert found["absolute rotation"]["seed"] == 1


class Planted(Method):
    """Reads rotation and class off the numbers that a view shows."""

    view_dim, aggregate_dim = 4, 3

    def __init__(self, world: RotationWorld) -> None:
        super().__init__()
        self.poses = rotations.canonical(world.views.poses[..., :4])
        self.weight = nn.Parameter(torch.ones(1))

    def encode(self, views: Tensor) -> Tensor:
        return self.poses[views[..., 0, 0, 0].long(), views[..., 1, 0, 0].long()]

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded[:, -1, :3]

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


def env(world: RotationWorld) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(8, world, episode_steps=3, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


def test_the_authors_box_shows_the_same_views_with_other_signs() -> None:
    known = objects(n=24, v=8)
    turned = known.latents.clone()
    alias = torch.stack([turned[..., 0] + math.pi, math.pi - turned[..., 1], turned[..., 2] + math.pi], -1)
    turned[..., :3] = torch.where(alias > math.pi, alias - 2 * math.pi, alias)
    home = RotationWorld(known, sign="free")
    box = RotationWorld(replace(known, latents=turned), sign="free")
    assert (turned[..., :3].abs() > math.pi / 2).all()
    method = Planted(home)
    methods: dict[str, Method] = {"trained": method}
    policy = make_policy("unseen", box)
    here = Arena(env(home), env(home), {"name": "unseen"}).visit(3, CONFIG, 3).pairs(methods, 2, quiet)
    there = elsewhere(methods, home, env(box), policy, CONFIG)
    entry = generalisation(here, there, "box", home.quantities(), 3, CONFIG)
    values = entry["absolute rotation"]["values"]["trained"]["ridge"]
    assert values["there"]["sign-invariant"]["mean"] > 0.99
    assert values["there"]["raw"]["mean"] < 0
    assert entry["absolute rotation"]["perfect"]["there"]["w >= 0"]["raw"]["mean"] < 0
    assert "sign-invariant" not in entry["absolute color"]["values"]["trained"]["ridge"]["there"]


def test_signs_of_the_box_are_those_of_its_angles() -> None:
    generator = torch.Generator().manual_seed(0)
    uniforms = torch.rand(2, 500, 3, generator=generator, dtype=torch.float64)
    there = rotations.from_euler(Region("ood").angles(uniforms)).float()
    known = rotations.canonical(there)  # the same rotations as training's box has them
    turn = rotations.relative(known[0], known[1])
    some = replace(seen(500, "paper", 0), relative={"rotation": turn}, absolute={"rotation": known[0]})
    torch.testing.assert_close(_boxed(some, "absolute", "rotation"), there[0])
    torch.testing.assert_close(
        _boxed(some, "relative", "rotation"), rotations.relative(there[0], there[1]), atol=1e-5, rtol=0
    )


def test_errors_are_one_clear_sentence() -> None:
    home, other = RotationWorld(objects()), RotationWorld(objects(classes=2))
    methods: dict[str, Method] = {"trained": Planted(home)}
    with pytest.raises(
        ValueError, match=r"the classes of the other world are \('a', 'b'\), expected \('a', 'b', 'c'\)"
    ):
        elsewhere(methods, home, env(other), make_policy("unseen", other), CONFIG)
    tinted = RotationWorld(objects(), action="color")
    with pytest.raises(ValueError, match="the action_dim of the other world are 2, expected 4"):
        elsewhere(methods, home, env(tinted), make_policy("unseen", tinted), CONFIG)
    with pytest.raises(ValueError, match=r"features elsewhere are of models \[\], expected \['trained', 'untrained'\]"):
        generalisation(pairs(), {}, "box", (TURN,), 3, CONFIG)
