"""Where a policy looks, as one call: the stream, the map that it looks by, and a table of all fixations."""

import csv
import json
from pathlib import Path

import pytest
import torch
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode

from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes.features import rollouts
from gazeworld.agents.runs import Run, WatchChoices, Watched, saliency_of, watch_run, write_fixations
from gazeworld.agents.runs.watching import COLUMNS, fixations
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.scenarios.commands import _catalogue


def run(name: str, **changes: object) -> Run:
    return Run(Path("nowhere"), name, _catalogue.load(name).changed(**changes))


@pytest.fixture(scope="module")
def watched() -> Watched:
    return watch_run(run("saccade-digits"), choices=WatchChoices(scenes=3, seed=5))


def test_a_table_says_where_every_view_was(watched: Watched) -> None:
    rows, stream, side = fixations(watched), watched.stream, 56
    assert len(rows) == 3 * stream.length
    assert all(list(row) == list(COLUMNS) for row in rows)
    for row in rows:
        pose = stream.poses[row["path"], row["index"] - 1]
        assert (row["row"], row["col"]) == pytest.approx(tuple(pose.tolist()), abs=1e-6)
        assert (row["y"], row["x"]) == pytest.approx((side * row["row"], side * row["col"]), abs=1e-3)
        assert (row["scene"], row["label"]) == (stream.scenes[row["path"]], stream.labels[row["path"]])
        assert row["class"] == watched.world.classes[row["label"]]
    # What lies there in the picture is what was seen.
    picture, lattice, last = watched.world.picture(watched.scene, 2), watched.world.lattice, rows[-1]
    assert picture is not None
    assert lattice is not None
    top, left = (round(last[name] - lattice.glimpse / 2) for name in ("y", "x"))
    crop = picture[top : top + lattice.glimpse, left : left + lattice.glimpse, 0]
    assert torch.equal(crop, stream.views[2, -1, 0])


def test_tables_are_written_whole_and_read_back(watched: Watched, tmp_path: Path) -> None:
    write_fixations(watched, tmp_path / "in/a.csv")
    with (tmp_path / "in/a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    write_fixations(watched, tmp_path / "a.JSON")
    told = json.loads((tmp_path / "a.JSON").read_text())
    assert told["columns"] == COLUMNS
    assert told["policy"]["name"] == "saliency"
    assert (told["scenario"], told["run"], told["split"], told["seed"]) == ("saccade-digits", None, "test", 5)
    assert told["fixations"] == fixations(watched)
    assert lines == [{name: str(value) for name, value in row.items()} for row in told["fixations"]]
    with pytest.raises(ValueError, match=r"a\.txt: tables of fixations are written as \.csv or \.json, found '\.txt'"):
        write_fixations(watched, tmp_path / "a.txt")


def test_many_scenes_are_spread_and_the_same_seed_looks_alike() -> None:
    choices = WatchChoices(scenes=7, seed=1, spread=True)
    one, other = (watch_run(run("saccade-digits"), {"name": "uniform"}, choices) for _ in range(2))
    assert torch.equal(one.stream.poses, other.stream.poses)
    assert one.stream.scenes.tolist() == [i * one.world.size // 7 for i in range(7)]
    assert one.centres.shape == (7, one.stream.length, 2)


def test_the_map_is_that_of_the_policy_or_else_of_the_world(watched: Watched) -> None:
    world, scenes = watched.world, watched.stream.scenes
    prior = world.prior("contrast")
    assert prior is not None
    assert watched.policy["map"] == "contrast"
    assert torch.equal(saliency_of(watched), prior.probabilities(scenes))
    own = Watched(world, watched.stream, {"name": "uniform"})
    assert torch.equal(saliency_of(own, {"saliency": "contrast"}), prior.probabilities(scenes))
    assert not torch.equal(saliency_of(own), prior.probabilities(scenes))


def test_what_cannot_be_had_is_named() -> None:
    world = CountingWorld()
    env = ActiveVisionVectorEnv(2, world, episode_steps=2, tensors=True, autoreset_mode=AutoresetMode.DISABLED)
    turned = Watched(world, rollouts(env, make_policy("uniform", world), 2, scenes=2), {"name": "uniform"})
    with pytest.raises(ValueError, match="the views of CountingWorld have no place in a picture"):
        fixations(turned)
    with pytest.raises(ValueError, match="a map of saliency needs a world of fixations"):
        saliency_of(turned)
    with pytest.raises(ValueError, match="scenes is 99999, but the test split has"):
        watch_run(run("saccade-digits"), choices=WatchChoices(scenes=99999))
    with pytest.raises(ValueError, match=r"watch\.scenes is 0"):
        WatchChoices(scenes=0)
