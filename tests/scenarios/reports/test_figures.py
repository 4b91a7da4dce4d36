"""Figures show what they are given, whatever was measured, and are written without warnings (which are errors here)."""

import json
from itertools import pairwise
from pathlib import Path

import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode
from matplotlib.figure import Figure
from torch import Tensor

from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes.features import rollouts
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World
from gazeworld.scenarios.reports import figures, scan_paths

VIEWS = [1, 2, 3]


class PicturedWorld(CountingWorld):
    """A counting world that can be looked at from outside."""

    def picture(self, scene: Scene, row: int) -> Tensor:
        return torch.full((20, 20, 3), 40, dtype=torch.uint8)

    def frame(self, pose: Tensor) -> Tensor:
        return torch.cat([0.2 + 0 * pose, pose / 10, 0.4 + 0 * pose, pose / 10 + 0.2], dim=1)


def entry(**values: object) -> dict:
    return {"views": VIEWS, "heads": ["linear", "ridge"], "values": values}


def top1(*models: str, views: list[int] = VIEWS) -> dict:
    return {"views": views, "values": {model: [0.2 + 0.1 * i for i in views] for model in models}}


def path(start: float) -> dict:
    def curve(by: float) -> dict:
        values = [start - by * i for i in VIEWS]
        return {"mean": values, "components": [[v, v] for v in values]}

    ablations = {
        name: {"at_inference": curve(by), "retrained_head": curve(by / 2)}
        for name, by in (("actions_ablated", 3.0), ("vision_ablated", 0.1))
    }
    return {head: {"full": curve(0.01), **ablations} for head in ("linear", "ridge")}


@pytest.fixture
def found() -> dict:
    both, one = ("trained", "untrained"), [1]
    paths = {
        "without_noise": entry(trained=path(1.0), untrained=path(0.9), dead_reckoning={"mean": [1.0, 1.0, 1.0]}),
        "with_noise": {"noise": 0.05, **entry(trained=path(0.9), untrained=path(0.8))},
    }
    return {
        "chance": {"top-1 of the majority class": 0.1},
        "recognition": {
            "policy": {
                "fixations": {"name": "saliency"},
                **{kind: top1(*both) for kind in ("aggregate", "single", "pooled")},
            },
            "uniform": {"fixations": {"name": "uniform"}, "aggregate": top1("trained")},
            "centre": {"fixations": "…", **{kind: top1(*both, views=one) for kind in ("aggregate", "single")}},
        },
        "path_integration": paths,
    }


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def saved(figure: Figure, file: Path) -> np.ndarray:
    figure.savefig(file)
    pixels = iio.imread(file)[..., :3]
    assert pixels.std() > 5  # something was drawn
    return pixels


def test_recognition_shows_all_baselines(found: dict, tmp_path: Path) -> None:
    figure = figures.recognition(found)
    saved(figure, tmp_path / "recognition.png")
    words = labels(figure)
    for word in ("chance", "aggregate", "aggregate, untrained model", "one view of the centre"):
        assert word in words
    assert "aggregate, uniform fixations" in words
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["aggregate"].get_ydata(), [30, 40, 50])
    del found["recognition"]["uniform"], found["recognition"]["policy"]["pooled"]
    assert "mean of views" not in labels(figures.recognition(found))


def test_paths_show_three_curves_in_the_papers_colours(found: dict, tmp_path: Path) -> None:
    figure = figures.paths(found)
    saved(figure, tmp_path / "paths.png")
    assert len(figure.axes) == 4
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    colours = [lines[name].get_color() for name in ("full", "actions ablated", "vision ablated")]
    assert colours == ["#c62828", "#1565c0", "#2e7d32"]
    np.testing.assert_allclose(lines["full"].get_ydata(), [0.99, 0.98, 0.97])
    assert min(lines["actions ablated"].get_ydata()) == -0.25  # R² = −8 is drawn at the edge
    assert "commanded actions composed" in lines
    assert "motor noise σ = 0.05" in figure.axes[1].get_title()
    del found["path_integration"]["with_noise"]
    assert len(figures.paths(found).axes) == 2


def test_training_takes_whatever_was_recorded(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    lines = [
        {"step": i, "train/loss": 1 / (i + 1), "probe/aggregate_top1": 0.1, "probe/view_top1": 0.2, "odd": True}
        for i in range(3)
    ]
    lines.append({"step": 3, "train/loss": None, "collapse/view_rank": 7.0, "note": "text"})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    figure = figures.training(file)
    saved(figure, tmp_path / "training.png")
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert set(panels) == {"train: loss", "probe: top-1 accuracy", "collapse: effective rank"}
    assert len(panels["probe: top-1 accuracy"].lines) == 2
    np.testing.assert_allclose(panels["train: loss"].lines[0].get_ydata(), [1, 0.5, 1 / 3])


def test_metrics_that_are_not_metrics_are_named(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 0}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl: no numeric metrics"):
        figures.training(file)
    file.write_text('{"step": 0, "a": 1}\nnonsense\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 2: not a record"):
        figures.training(file)


def stream(world: World) -> Stream:
    env = ActiveVisionVectorEnv(3, world, episode_steps=4, tensors=True, autoreset_mode=AutoresetMode.DISABLED)
    return rollouts(env, make_policy("uniform", world), 4, scenes=3)


def test_scan_paths_with_and_without_a_picture(tmp_path: Path) -> None:
    for world, columns in ((PicturedWorld(), 5), (CountingWorld(), 4)):
        figure = scan_paths.scanpaths(world, stream(world), (0, 2))
        saved(figure, tmp_path / "scan.png")
        assert len(figure.axes) == 2 * columns
    world = PicturedWorld()
    seen = stream(world)
    picture = scan_paths.scanpaths(world, seen, (1,)).axes[0]
    boxes = [patch for patch in picture.patches if isinstance(patch, scan_paths.Rectangle)]
    assert [box.get_x() for box in boxes] == pytest.approx((seen.poses[1, :, 0] * 2).tolist())
    assert [text.get_text() for text in picture.texts][-4:] == ["1", "2", "3", "4"]
    with pytest.raises(ValueError, match="row 3 was asked for, expected 0 to 2"):
        scan_paths.scanpaths(world, seen, (3,))


def test_animation_grows_view_by_view(tmp_path: Path) -> None:
    world = PicturedWorld()
    scan_paths.animate(world, stream(world), tmp_path / "new" / "path.gif", (1,))
    frames = iio.imread(tmp_path / "new" / "path.gif")
    assert len(frames) >= 4
    assert all((a != b).any() for a, b in pairwise(frames[:4]))
    scan_paths.animate(CountingWorld(), stream(CountingWorld()), tmp_path / "plain.gif")
    scan_paths.animate(world, stream(world), tmp_path / "both.gif", (0, 2))
    assert len(iio.imread(tmp_path / "both.gif")) > len(frames)
    with pytest.raises(ValueError, match=r"written as \.gif or \.mp4, found '\.webm'"):
        scan_paths.animate(world, stream(world), tmp_path / "path.webm")


def test_no_global_figure_is_left_behind(found: dict) -> None:
    figures.recognition(found)
    figures.paths(found)
    assert plt.get_fignums() == []
