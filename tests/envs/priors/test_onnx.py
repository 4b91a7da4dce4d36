"""A network of one's own: shown images as it takes them, its map brought to theirs; what does not fit is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazeworld.envs import check_prior, make_prior
from gazeworld.envs.files import DataError
from gazeworld.envs.prior import Prior
from gazeworld.envs.priors.onnx import OnnxPrior
from gazeworld.envs.validation import OptionError

onnx = pytest.importorskip("onnx", reason="writes networks")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
FLOAT, BYTE = 1, 2  # element types, as onnx numbers them


def network(
    folder: Path,
    shape: tuple[Any, ...] = ("b", 3, "h", "w"),
    *,
    kind: int = FLOAT,
    axis: int = 1,
    steps: tuple[str, ...] = (),
    scale: float = 1.0,
    inputs: int = 1,
) -> Path:
    """A network that gives `scale` times the mean of the channels, after some `steps` of one input."""
    helper = onnx.helper
    given = [helper.make_tensor_value_info(f"image{i}", kind, shape) for i in range(inputs)]
    nodes = [helper.make_node("Cast", ["image0"], ["x"], to=FLOAT)]
    nodes += [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[axis], keepdims=1),
        helper.make_node("Mul", ["mean", "scale"], ["map" if not steps else "s0"]),
    ]
    for i, step in enumerate(steps):
        nodes.append(helper.make_node(step, [f"s{i}"], ["map" if i == len(steps) - 1 else f"s{i + 1}"]))
    out = [helper.make_tensor_value_info("map", FLOAT, None), helper.make_tensor_value_info("mean", FLOAT, None)]
    constant = helper.make_tensor("scale", FLOAT, [], [scale])
    graph = helper.make_graph(nodes, "own", given, out, [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "own.onnx")
    return folder / "own.onnx"


def pictures(n: int = 3, side: int = 24, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (n, side, side, channels), generator=generator, dtype=torch.uint8)


def means(pixels: torch.Tensor) -> torch.Tensor:
    grey = pixels.double().mean(3)
    return (grey / grey.sum((1, 2), keepdim=True)).float()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (("b", 3, "h", "w"), {}),
        (("b", 3, "h", "w"), {"range": "0-1", "batch": 2}),
        ((1, 3, 24, 24), {}),
        ((2, 3, 24, 24), {}),  # two at a time: the last one stands in for a fourth
        (("b", 1, "h", "w"), {}),
        ((None, 24, 24, 3), {"layout": "nhwc"}),
        (("b", "h", "w", "c"), {"layout": "nhwc"}),
    ],
)
def test_maps_are_those_of_the_network(shape: tuple[Any, ...], options: dict[str, Any], tmp_path: Path) -> None:
    file = network(tmp_path, shape, axis=3 if options.get("layout") == "nhwc" else 1)
    prior = make_prior("onnx", file=str(file), **options)
    torch.testing.assert_close(prior.log_density(pictures()).exp(), means(pictures()), rtol=1e-4, atol=1e-8)
    check_prior(make_prior("onnx", file=str(file), **options), side=24)


def test_bytes_and_grey_images_are_shown_as_they_are(tmp_path: Path) -> None:
    prior: Prior = OnnxPrior(str(network(tmp_path, kind=BYTE)))
    torch.testing.assert_close(prior.log_density(pictures()).exp(), means(pictures()), rtol=1e-4, atol=1e-8)
    grey = pictures(channels=1)
    torch.testing.assert_close(prior.log_density(grey).exp(), means(grey), rtol=1e-4, atol=1e-8)
    assert prior.log_density(grey[:0]).shape == (0, 24, 24)


@pytest.mark.parametrize(("size", "options"), [(("h", "w"), {"side": 48}), ((48, 12), {}), ((48, "w"), {"side": 48})])
def test_a_network_of_a_size_of_its_own_sees_images_of_that_size(
    size: tuple[Any, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    smooth = torch.arange(1, 25, dtype=torch.uint8)[:, None, None].expand(2, 24, 24, 3).contiguous()
    density = OnnxPrior(str(network(tmp_path, ("b", 3, *size))), **options).log_density(smooth).exp()
    assert density.shape == (2, 24, 24)
    assert (density - means(smooth)).abs().sum((1, 2)).max() < 0.03


def test_output_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    pixels = pictures()
    logits = OnnxPrior(str(network(tmp_path, scale=0.01)), output="logits").log_density(pixels)
    raw = 0.01 * pixels.double().mean(3)
    torch.testing.assert_close(logits, (raw - raw.logsumexp((1, 2), keepdim=True)).float(), atol=1e-4, rtol=0)
    with pytest.raises(
        OptionError, match=r"logsumexp .* from 0, so it is no 'log-density'; expected 'map' or 'logits'"
    ):
        OnnxPrior(str(network(tmp_path, scale=0.01)), output="log-density").log_density(pixels)
    with pytest.raises(OptionError, match="negative values, so it is no 'map'; expected 'log-density' or 'logits'"):
        OnnxPrior(str(network(tmp_path, steps=("Neg",)))).log_density(pixels)
    with pytest.raises(DataError, match="is zero everywhere"):
        OnnxPrior(str(network(tmp_path, scale=0.0))).log_density(pixels)
    with pytest.raises(DataError, match="is not finite"):
        OnnxPrior(str(network(tmp_path, steps=("Neg", "Log")))).log_density(pixels)
    mean = OnnxPrior(str(network(tmp_path, scale=0.0)), name="mean")
    torch.testing.assert_close(mean.log_density(pixels).exp(), means(pixels), rtol=1e-4, atol=1e-8)


def test_a_flat_log_density_is_one(tmp_path: Path) -> None:
    uniform = -float(np.log(24 * 24)) / 200
    flat = torch.full((2, 24, 24, 3), 200, dtype=torch.uint8)
    found = OnnxPrior(str(network(tmp_path, scale=uniform)), output="log-density").log_density(flat)
    torch.testing.assert_close(found.exp(), torch.full((2, 24, 24), 1 / 576), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("shape", "more", "options", "said"),
    [
        (("b", 3, "h", "w"), {"inputs": 2}, {}, r"a network of 2 inputs \('image0', 'image1'\), expected one"),
        (("b", 3, "h"), {}, {}, "of shape .*expected images of four dimensions"),
        (("b", 3, "h", "w"), {"kind": 7}, {}, r"is tensor\(int64\) .*of uint8, float or float16"),
        (("b", 24, 24, 3), {}, {}, "of 24 channels; expected 1 or 3, so the layout may not be 'nchw'"),
        (("b", 3, "h", "w"), {"kind": BYTE}, {"range": "0-1"}, "takes images of uint8, and range is '0-1'"),
        (("b", 3, 32, 32), {}, {"side": 24}, "takes images of 32 x 32 only, and side is 24"),
        (("b", 3, 32, "w"), {}, {}, "expected the option side for the free one"),
        (("b", 3, "h", "w"), {}, {"name": "nothing"}, "no output 'nothing'; there are: map, mean"),
    ],
)
def test_a_network_of_another_input_is_refused(
    shape: tuple[Any, ...], more: dict[str, Any], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = network(tmp_path, shape, **more)
    with pytest.raises(OptionError, match=rf"own.onnx: .*{said}"):
        OnnxPrior(str(file), **options)


def test_files_that_are_no_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="needs the option file"):
        make_prior("onnx")
    with pytest.raises(DataError, match=r"nowhere.onnx: no such file"):
        OnnxPrior(str(tmp_path / "nowhere.onnx"))
    whole = network(tmp_path).read_bytes()
    for part in (b"", b"hello", whole[: len(whole) // 2]):
        (tmp_path / "bad.onnx").write_bytes(part)
        with pytest.raises(DataError, match=r"bad.onnx: no network that ONNX Runtime reads"):
            OnnxPrior(str(tmp_path / "bad.onnx"))


def test_the_key_is_that_of_the_file_and_the_options(tmp_path: Path) -> None:
    file = network(tmp_path)
    keys = [OnnxPrior(str(file)).key(), OnnxPrior(str(file), output="logits").key()]
    keys.append(OnnxPrior(str(network(tmp_path, scale=2.0))).key())
    assert len({str(key) for key in keys}) == 3
    assert str(tmp_path) not in str(keys)
