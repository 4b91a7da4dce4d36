"""Scores of made-up observers: what was put in comes out, the process itself reaches the ceiling, another does not."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from fakes.gaze import Known, blobs, people
from fakes.images import noise
from fakes.methods import Knows, place

from gazeworld.agents.comparison.contestants import Elsewhere
from gazeworld.agents.config import GazeConfig
from gazeworld.agents.gaze import score_gaze
from gazeworld.agents.gaze.baselines import SIGMAS, CentrePrior, Kernels, OtherPeople
from gazeworld.agents.gaze.contenders import PolicyContender
from gazeworld.agents.gaze.cross_fitting import cross_fitted, folds_of
from gazeworld.agents.gaze.fixation_scores import TEMPERATURES, auc_of, nss_of, score_fixations
from gazeworld.agents.gaze.observed import history, observed
from gazeworld.agents.gaze.path_scores import MEASURES, chosen_paths, others_of
from gazeworld.agents.gaze.scoring import PEOPLE, comparing_by
from gazeworld.agents.gaze.summary import by_order, over_images
from gazeworld.agents.policy import Policy, make_policy
from gazeworld.envs.gaze import HumanGaze, ScanPath
from gazeworld.envs.worlds.saccade import SaccadeWorld

FEW = GazeConfig(samples=2, resamples=300, examples=1)
NONE = GazeConfig(samples=0, resamples=300, examples=0)


def world(n: int = 10) -> SaccadeWorld:
    """Thirteen places an axis."""
    return SaccadeWorld(noise(n, 20), glimpse=8)


def walked(image: int, subject: str, *poses: tuple[float, float], task: str = "") -> ScanPath:
    return ScanPath(image, subject, np.array(poses, np.float64), np.full(len(poses), math.nan), task)


def test_information_gain_is_what_was_put_in() -> None:
    """The gain of the true density over the centre prior is their divergence, to within four standard errors."""
    of = world()
    densities = blobs(of)
    gaze = people(Known(of, densities), of, observers=8, length=9)
    found = score_gaze(of, gaze, {"true": Known(of, densities), "shuffled": Known(of, densities, shift=5)}, NONE).found
    prior = CentrePrior(Kernels(observed(gaze, of))).densities(torch.arange(of.size))
    ratio = (densities / prior).log2()
    expected = (densities * ratio).sum((1, 2)).mean()
    variance = (densities * ratio.square()).sum((1, 2)) - (densities * ratio).sum((1, 2)).square()
    error = float((variance.mean() / (8 * 8 * of.size)).sqrt())
    gain = found["fixations"]["true"]["information gain"]
    assert gain["mean"] == pytest.approx(float(expected), abs=4 * error)
    assert gain["count"] == 8 * 8 * of.size
    assert found["fixations"]["true"]["fitted"][0]["lapse"] <= 0.01  # nothing is gained by looking elsewhere
    scores = {name: one["information gain"]["mean"] for name, one in found["fixations"].items()}
    assert scores["centre prior"] == 0
    assert scores["true"] > scores["other people"] > 0.7 * scores["true"]  # estimated from few fixations
    assert scores["shuffled"] < 0.1
    for measure in ("NSS", "AUC"):
        assert found["fixations"]["true"][measure]["mean"] > found["fixations"]["shuffled"][measure]["mean"] + 0.1
    assert found["fixations"]["uniform"]["AUC"]["mean"] == 0.5
    assert found["fixations"]["uniform"]["NSS"]["mean"] == 0
    assert json.loads(json.dumps(found)) == found


def test_the_process_itself_reaches_the_ceiling_of_scan_paths_and_a_shuffled_one_does_not() -> None:
    of = world(12)
    densities = blobs(of, share=1.0)
    gaze = people(Known(of, densities), of, observers=6, length=8)
    policies = {"true": Known(of, densities), "shuffled": Elsewhere(Known(of, densities), of)}
    found = score_gaze(of, gaze, policies, dataclasses.replace(FEW, samples=3)).found["paths"]
    for measure in ("ScanMatch", "DTW", "MultiMatch position", "recurrence", "determinism", "laminarity"):
        ceiling, true, shuffled = (found[name][measure]["mean"] for name in (PEOPLE, "true", "shuffled"))
        assert abs(true - ceiling) < 0.25 * abs(shuffled - ceiling), measure
        low, high = found["true"][measure]["interval"]
        assert not low <= shuffled <= high, measure


def test_a_process_with_a_history_is_known_by_it() -> None:
    """People step around where they are: the policy that does, too, beats where other people look."""
    of = SaccadeWorld(noise(8, 32), glimpse=8)
    steps = {"map": "uniform", "stay": 0.95, "reach": 0.06}
    gaze = people(make_policy("dwell", of, **steps), of, observers=5, length=8)
    found = score_gaze(of, gaze, {"dwell": make_policy("dwell", of, **steps)}, NONE).found
    gain = {name: one["information gain"] for name, one in found["fixations"].items()}
    assert gain["dwell"]["interval"][0] > gain["other people"]["interval"][1]
    assert (
        found["fixations"]["dwell"]["explained"]["mean"] is None or found["fixations"]["dwell"]["explained"]["mean"] > 1
    )
    assert found["paths"] == {}


def test_people_who_copy_each_other_are_at_the_ceiling_of_one() -> None:
    of = world(4)
    rng = np.random.default_rng(0)
    same = [of.lattice.poses(torch.from_numpy(rng.integers(0, 13, (5, 2)))).double().numpy() for _ in range(4)]
    paths = [ScanPath(i, who, same[i], np.full(5, 100.0)) for i in range(4) for who in "abc"]
    found = score_gaze(of, HumanGaze(tuple(paths)), {}, FEW).found["paths"][PEOPLE]
    for name in MEASURES[:6]:
        assert found[name]["mean"] == pytest.approx(1), name
    assert found["DTW"]["mean"] == 0
    assert found["corm"]["mean"] == pytest.approx(0, abs=0.2)


def test_nobody_is_compared_with_himself() -> None:
    """Two paths of one observer on an image, in two tasks or in one, are no ceiling."""
    of = world(3)
    paths = [
        walked(i, "a", (0.3, 0.3), (0.5, 0.5), (0.4, 0.6), (0.6, 0.4), task=task)
        for i in range(3)
        for task in ("cup", "fork")
    ]
    seen = observed(HumanGaze(tuple(paths)), of)
    assert [others_of(seen, i) for i in range(6)] == [[]] * 6
    found = score_gaze(of, HumanGaze(tuple(paths)), {}, FEW).found
    assert all(one["mean"] is None for one in found["paths"][PEOPLE].values())
    assert found["fixations"]["other people"]["information gain"]["mean"] is None
    assert "explained" not in found["fixations"]["uniform"]
    paths.append(walked(0, "b", (0.3, 0.3), (0.5, 0.5), (0.4, 0.6), (0.6, 0.4), task="cup"))
    seen = observed(HumanGaze(tuple(paths)), of)
    assert [others_of(seen, i) for i in range(7)] == [[6], [], [], [], [], [], [0]]


def test_a_policy_is_told_what_the_person_looked_at() -> None:
    of = world(3)
    asked = []

    class Listening(Known):
        def log_density(self, memory):
            asked.append(memory)
            return super().log_density(memory)

    paths = [walked(2, "a", (0.25, 0.3), (0.8, 0.5), (0.41, 0.61)), walked(0, "a", (0.5, 0.5), (0.52, 0.5))]
    gaze = HumanGaze(tuple(paths))
    seen = observed(gaze, of)
    score_fixations(PolicyContender("x", "x", Listening(of, blobs(of)), of, seen), seen)
    first, second = asked
    assert first.scenes.tolist() == [2, 0]
    assert second.scenes.tolist() == [2]
    legal = of.lattice.poses(of.lattice.places(torch.tensor(paths[0].poses).float()))
    torch.testing.assert_close(second.poses[0], legal[:2])
    torch.testing.assert_close(second.actions[0], legal[1:2] - legal[:1])
    torch.testing.assert_close(first.poses[:, 0], torch.stack((legal[0], of.lattice.poses(torch.tensor([6, 6])))))
    assert torch.equal(second.views[:, :1], first.views[:1])
    # (0.8, 0.5) asks for row 12, the last, whose centre is at 0.8; (0.25, 0.3) stays above the first row, of 0.2.
    assert seen.moved == 0
    border = observed(HumanGaze((walked(0, "a", (0.05, 0.5), (0.5, 0.99)),)), of)
    assert border.moved == 1
    assert border.places[0].tolist() == [[0, 6], [6, 12]]


def test_the_centre_prior_is_made_of_other_images() -> None:
    of = world(4)
    rng = np.random.default_rng(3)
    paths = [ScanPath(i, "a", rng.uniform(0.2, 0.8, (6, 2)), np.full(6, 1.0)) for i in range(4)]
    seen = observed(HumanGaze(tuple(paths)), of)
    prior = CentrePrior(Kernels(seen))
    number, share = prior.chosen.settings[int(folds_of(seen.scenes)[1])]
    steps = torch.arange(13).double() / 20
    expected = torch.zeros(13, 13, dtype=torch.float64)
    for other in (0, 2, 3):
        for row, column in seen.places[other, 1:].tolist():
            bump = [torch.exp(-((steps - steps[at]) ** 2) / (2 * SIGMAS[number] ** 2)) for at in (row, column)]
            expected += torch.outer(bump[0] / bump[0].sum(), bump[1] / bump[1].sum())
    expected = (1 - share) * expected / 15 + share / 169
    torch.testing.assert_close(prior.densities(torch.tensor([1]))[0], expected)
    with pytest.raises(ValueError, match="people's fixations are on one image alone, expected two or more"):
        Kernels(observed(HumanGaze((paths[0], dataclasses.replace(paths[0], subject="b"))), of))


def test_the_gold_standard_leaves_out_the_observer() -> None:
    of = world(4)
    rng = np.random.default_rng(3)
    paths = [ScanPath(i, who, rng.uniform(0.2, 0.8, (4, 2)), np.full(4, 1.0)) for i in range(4) for who in "ab"]
    kernels = Kernels(observed(HumanGaze(tuple(paths)), of))
    people_ = OtherPeople(kernels, CentrePrior(kernels))
    before = people_.densities(torch.tensor([0]))
    moved = [dataclasses.replace(paths[0], poses=paths[0].poses[::-1].copy()), *paths[1:]]
    other = Kernels(observed(HumanGaze(tuple(moved)), of))
    again = OtherPeople(other, CentrePrior(other))
    again.chosen = people_.chosen  # widths may well differ; what is smoothed must not
    again._prior = people_._prior
    torch.testing.assert_close(again.densities(torch.tensor([0])), before)
    assert not torch.allclose(again.densities(torch.tensor([1])), people_.densities(torch.tensor([1])))


def test_planners_are_given_the_temperature_that_suits_other_images() -> None:
    """People who prefer what a planner prefers, by a softmax at 1/32."""
    of = place()
    policy = make_policy("goal", of, pose=[0.3, 0.7], grid=17, ior=False)
    policy.attach(Knows())

    class Soft(Known):
        def _of(self, memory):
            return (policy.log_density(memory) * 32).flatten(1).double().softmax(1).unflatten(1, (17, 17))

    gaze = people(Soft(of, torch.zeros(1)), of, observers=40, length=6)
    paths = tuple(dataclasses.replace(path, image=0) for path in gaze.paths)
    # One image alone cannot be left out: the same picture stands there four times.
    several = SaccadeWorld(
        dataclasses.replace(of.images, pixels=of.images.pixels.expand(4, -1, -1, -1), labels=torch.zeros(4).long()),
        glimpse=8,
    )
    paths = tuple(dataclasses.replace(path, image=i % 4) for i, path in enumerate(paths))
    again = make_policy("goal", several, pose=[0.3, 0.7], grid=17, ior=False)
    again.attach(Knows())
    found = score_gaze(several, HumanGaze(paths), {"goal": again}, NONE).found["fixations"]
    temperatures = {one["temperature"] for one in found["goal"]["fitted"]}
    assert temperatures <= {1 / 16, 1 / 32, 1 / 64}
    assert 1 / 32 in TEMPERATURES
    assert found["goal"]["over uniform"]["mean"] > 1


def test_a_policy_that_says_nothing_is_scored_by_its_paths() -> None:
    of = world(4)

    class Silent(Policy):
        def act(self, memory, rng):
            return Known(of, blobs(of)).act(memory, rng)

    gaze = people(Known(of, blobs(of)), of, observers=2, length=4)
    found = score_gaze(of, gaze, {"silent": Silent()}, FEW)
    assert "silent" not in found.found["fixations"]
    assert found.found["paths"]["silent"]["ScanMatch"]["mean"] is not None
    (example,) = found.examples
    assert set(example.paths) == {"uniform", "centre prior", "silent", "other people"}
    assert set(example.maps) == set(example.paths) - {"silent"}
    assert all(one.sum() == pytest.approx(1, abs=1e-4) for one in example.maps.values())
    with pytest.raises(ValueError, match="two contenders are called 'uniform'"):
        score_gaze(of, gaze, {"uniform": Silent()}, FEW)


def test_scores_of_a_map_by_hand() -> None:
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    found = nss_of(p, torch.tensor([3, 0]))
    assert found.tolist() == pytest.approx([0.15 / math.sqrt(0.0125), 0])
    values = torch.tensor([[0.1, 0.2, 0.2, 0.4], [1.0, 1, 1, 1], [math.nan] * 4])
    shares = auc_of(values, torch.tensor([1, 2, 0]))
    assert shares[:2].tolist() == [(1 + 0.5 * 2) / 4, 0.5]
    assert shares[2].isnan()


def test_settings_are_chosen_by_the_other_folds() -> None:
    folds = torch.tensor([0, 0, 1, 1, 2])
    tried = [
        ("a", torch.tensor([0.0, 0, -1, -1, -1], dtype=torch.float64)),
        ("b", torch.tensor([-9.0, math.nan, 0, 0, 0], dtype=torch.float64)),
        ("c", torch.tensor([-math.inf, 0, 0, 0, 0], dtype=torch.float64)),
    ]
    # Without fold 0, b and c lose nothing and b is first; without fold 1, a loses 1 of fold 2, b 9; the same without 2.
    assert cross_fitted(tried, folds).settings == ("b", "a", "a")
    assert folds_of(torch.tensor([7, 3, 7, 9])).tolist() == [1, 0, 1, 2]


def test_means_and_intervals_over_images_by_hand() -> None:
    images = torch.tensor([4, 4, 4, 8])
    values = torch.tensor([[1.0, 1, 1, 5], [1, math.nan, 3, math.nan], [math.nan] * 4], dtype=torch.float64)
    one, two, three = over_images(values, images, 2000, 0)
    assert one["mean"] == 2  # eight over four fixations
    assert one["interval"] == [1, 5]  # only the first image drawn, or only the second
    assert (two["mean"], two["count"], two["interval"]) == (2, 2, None)
    assert (three["mean"], three["interval"], three["count"]) == (None, None, 0)
    rows = torch.ones(3, 8, dtype=torch.float64)
    told = by_order(rows, torch.arange(8) // 2, torch.tensor([1, 2] * 4), 100, 0)
    assert told["order"] == [1, 2]
    assert by_order(rows, torch.arange(8) // 4, torch.tensor([1, 2] * 4), 100, 0)["order"] == []


def test_paths_are_chosen_at_even_distances_and_long_enough() -> None:
    of = world(6)
    gaze = people(Known(of, blobs(of)), of, observers=2, length=4)
    short = dataclasses.replace(gaze.paths[0], poses=gaze.paths[0].poses[:2], durations=gaze.paths[0].durations[:2])
    seen = observed(HumanGaze((short, *gaze.paths[1:])), of)
    assert chosen_paths(seen, 0).tolist() == list(range(1, 12))
    assert chosen_paths(seen, 3).tolist() == [1, 6, 11]
    assert comparing_by(seen, FEW).radius == pytest.approx(0.2)  # half of 8 of 20 pixels
    assert history(of, seen, next(iter(seen.rows()))).poses.shape == (12, 1, 2)
