"""DeepGaze from a user's checkout: built without a download, loaded strictly, and guarded against all that it allows.

The package here is a stand-in of the same interface (fakes/deepgaze.py). With GAZEWORLD_DEEPGAZE naming a checkout of
https://github.com/matthias-k/DeepGaze the last test runs its own classes, with random weights:
`GAZEWORLD_DEEPGAZE=~/DeepGaze pytest tests/envs/priors/test_deepgaze.py`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.deepgaze import checkout, weights
from torch import Tensor, nn

from gazeworld.envs import check_prior, make_prior
from gazeworld.envs.files import DataError
from gazeworld.envs.priors import _deepgaze_network as networks
from gazeworld.envs.priors._deepgaze import DeepGazePrior, _shrunk
from gazeworld.envs.priors.deepgaze1 import DeepGaze1Prior
from gazeworld.envs.priors.deepgaze2e import DeepGaze2EPrior
from gazeworld.envs.priors.deepgaze3 import DeepGaze3Prior, slots
from gazeworld.envs.validation import OptionError

KINDS: list[type[DeepGazePrior]] = [DeepGaze1Prior, DeepGaze2EPrior, DeepGaze3Prior]
REAL = os.environ.get(networks.CHECKOUT, "")
SIZE = 64


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == networks.PACKAGE]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _no_package_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(networks.CHECKOUT, raising=False)
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("deepgaze") / "checkout")


@pytest.fixture(scope="module")
def files(repo: Path) -> dict[str, Path]:
    made = {kind.model.prior: weights(kind.model, repo, repo.parent) for kind in KINDS}
    forget()
    return made


def opened(kind: type[DeepGazePrior], repo: Path, files: dict[str, Path], **options: Any) -> DeepGazePrior:
    return kind(weights=str(files[kind.model.prior]), repo=str(repo), **{"size": SIZE, **options})


def pictures(n: int = 3, side: int = 40) -> Tensor:
    pixels = torch.full((n, side, side, 3), 60, dtype=torch.uint8)
    for i in range(n):
        pixels[i, 4 + 9 * i : 12 + 9 * i, 25 - 9 * i : 33 - 9 * i] = torch.tensor([255, 200, 0], dtype=torch.uint8)
    return pixels


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_is_a_prior(kind: type[DeepGazePrior], repo: Path, files: dict[str, Path]) -> None:
    prior = opened(kind, repo, files)
    check_prior(prior)
    check_prior(opened(kind, repo, files, batch=3, size=0), channels=1)
    key = prior.key()
    assert (key["prior"], key["size"], key["centre_bias"]) == (kind.model.prior, SIZE, "gaussian")
    again = make_prior(kind.model.prior, weights=str(files[kind.model.prior]), repo=str(repo), size=SIZE)
    assert again.key() == key


def test_nothing_is_downloaded_and_everything_is_put_back(
    repo: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*given: Any, **options: Any) -> None:
        raise AssertionError(f"a download of {given}")

    for name in ("load", "load_state_dict_from_url", "download_url_to_file"):
        monkeypatch.setattr(torch.hub, name, never)
    monkeypatch.setattr("torch.utils.model_zoo.load_url", never)
    before = (torch.hub.load, nn.Module.load_state_dict, list(sys.path), torch.get_rng_state())
    for kind in KINDS:
        opened(kind, repo, files)
    assert torch.hub.load is before[0]
    assert nn.Module.load_state_dict is before[1]
    assert sys.path == before[2]
    assert torch.equal(torch.get_rng_state(), before[3])
    assert not {"clip", "einops"} & sys.modules.keys()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", KINDS)
def test_batch_normalisation_is_frozen(kind: type[DeepGazePrior], repo: Path, files: dict[str, Path]) -> None:
    prior = opened(kind, repo, files)
    network = prior._network
    assert not any(part.training for part in network.modules())
    assert not any(one.requires_grad for one in network.parameters())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prior.log_density(pictures())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    given = torch.load(files[kind.model.prior], weights_only=True)
    assert all(torch.equal(value, given[name]) for name, value in before.items())


def test_images_are_shown_enlarged_and_from_0_to_255(repo: Path, files: dict[str, Path]) -> None:
    prior = opened(DeepGaze2EPrior, repo, files)
    seen: list[Any] = prior._network.readout.seen  # type: ignore[union-attr]
    prior.log_density(pictures(2, 40))
    assert [shape for shape, _ in seen] == [(1, 3, SIZE, SIZE)] * 2
    assert all(200 < top <= 255 for _, top in seen)
    seen.clear()
    opened(DeepGaze2EPrior, repo, files, batch=2, size=0)
    prior.log_density(pictures(1, 80))
    assert seen[0][0] == (1, 3, 80, 80), "large images stay as they are"
    first, second = prior.log_density(pictures(2)).flatten(1)
    assert torch.corrcoef(torch.stack((first, second)))[0, 1] < 0.9, "maps of two images differ"
    for k in range(2):
        place = int(prior.log_density(pictures(2))[k].argmax())
        assert abs(place // 40 - (8 + 9 * k)) < 5
        assert abs(place % 40 - (29 - 9 * k)) < 5
    with pytest.raises(OptionError, match=r"'deepgaze2e' takes images of uint8, 0 … 255, and found torch.float32"):
        prior._require(pictures().float() / 255, None)
    with pytest.raises(OptionError, match="1 or 3 channels, and found 4"):
        prior.log_density(torch.zeros(1, 40, 40, 4, dtype=torch.uint8))


def test_densities_are_added_up_over_the_pixels_of_a_smaller_image() -> None:
    large = torch.tensor([[0.1, 0.3, 0.0, 0.0], [0.2, 0.0, 0.1, 0.1], [0.0, 0.0, 0.0, 0.1], [0.05, 0.05, 0.0, 0.0]])
    found = _shrunk((large[None] + 1e-30).log(), 2, 2)
    torch.testing.assert_close(found.exp(), torch.tensor([[[0.6, 0.2], [0.1, 0.1]]]))
    assert found.isfinite().all()
    assert _shrunk(torch.full((1, 4, 4), -200.0).index_fill(2, torch.tensor([0]), 900.0), 2, 2).isfinite().all()


def test_the_centre_bias_has_the_size_of_what_the_network_sees(
    repo: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    template = np.full((30, 50), -9.0)
    template[:5, :10] = 5.0  # everybody looks at the top left
    np.save(tmp_path / "bias.npy", template)
    for centre_bias in ("", str(tmp_path / "bias.npy")):
        prior = opened(DeepGaze1Prior, repo, files, centre_bias=centre_bias)
        bias = prior._bias(33, 47, torch.device("cpu"))
        assert bias.shape == (33, 47)
        assert bias.dtype == torch.float32
        assert abs(float(bias.logsumexp((0, 1)))) < 1e-5
    found = prior.log_density(torch.full((1, 40, 40, 3), 90, dtype=torch.uint8))[0].exp()
    assert found.shape == (40, 40)
    assert found[:8, :9].sum() > 0.9
    assert prior.key()["centre_bias"] != "gaussian"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (np.full((4, 4), np.nan), "NaN or infinite"),
        (np.zeros((2, 3, 3)), r"shape \(2, 3, 3\), expected a log density"),
        (np.zeros((3, 3), dtype=np.int64), "int64 .* expected a log density"),
        (np.full((3, 3), 1 / 9), "no negative number"),
    ],
)
def test_a_centre_bias_that_is_none_is_refused(
    template: np.ndarray, said: str, repo: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    np.save(tmp_path / "bias.npy", template)
    with pytest.raises(DataError, match=f"bias.npy.*{said}"):
        opened(DeepGaze1Prior, repo, files, centre_bias=str(tmp_path / "bias.npy"))


# ---- weights ----------------------------------------------------------------------------------------------------


def test_weights_come_from_the_cache_of_torch_hub(
    repo: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv(networks.CHECKOUT, str(repo))
    with pytest.raises(DataError, match=r"'deepgaze1': no weights at .*hub/checkpoints/deepgaze1.pth; .*releases/dow"):
        make_prior("deepgaze1")
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    (tmp_path / "hub/checkpoints/deepgaze1.pth").write_bytes(files["deepgaze1"].read_bytes())
    named = opened(DeepGaze1Prior, repo, files).log_density(pictures())
    assert torch.equal(make_prior("deepgaze1", size=SIZE).log_density(pictures()), named)


def test_weights_in_the_older_format_are_read(repo: Path, files: dict[str, Path], tmp_path: Path) -> None:
    state = torch.load(files["deepgaze2e"], weights_only=True)
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    old = opened(DeepGaze2EPrior, repo, {"deepgaze2e": tmp_path / "old.pth"}).log_density(pictures())
    assert torch.equal(old, opened(DeepGaze2EPrior, repo, files).log_density(pictures()))


def test_weights_that_are_none_or_another_models_are_refused(
    repo: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    state = torch.load(files["deepgaze2e"], weights_only=True)
    name = "readout.weight"
    damaged = {
        "is missing": {key: value for key, value in state.items() if key != name},
        f"{name} has shape .5.": {**state, name: torch.zeros(5)},
        "surplus is unknown": {**state, "surplus": torch.zeros(5)},
        f"{name} is not finite": {**state, name: torch.full((3,), torch.nan)},
        "holds no weights by name": [1, 2, 3],
        "no weights that can be read": slice(3),  # what weights alone never are
    }
    for said, content in damaged.items():
        torch.save(content, tmp_path / "bad.pth")
        with pytest.raises(DataError, match=rf"bad.pth: .*{said}"):
            opened(DeepGaze2EPrior, repo, {"deepgaze2e": tmp_path / "bad.pth"})
    whole = files["deepgaze2e"].read_bytes()
    for part in (b"", b"PK", whole[: len(whole) // 2], b"hello" * 100):
        (tmp_path / "bad.pth").write_bytes(part)
        with pytest.raises(DataError, match=r"bad.pth: no weights that can be read"):
            opened(DeepGaze2EPrior, repo, {"deepgaze2e": tmp_path / "bad.pth"})
    with pytest.raises(DataError, match=r"deepgaze3.pth: weights of another model: .*unknown.*expected deepgaze2e.pth"):
        opened(DeepGaze2EPrior, repo, {"deepgaze2e": files["deepgaze3"]})
    with pytest.raises(DataError, match=r"no weights at .*nowhere"):
        opened(DeepGaze2EPrior, repo, {"deepgaze2e": tmp_path / "nowhere"})


# ---- the package ------------------------------------------------------------------------------------------------


def test_it_is_said_where_the_package_comes_from(
    repo: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(files["deepgaze1"])
    if not REAL:
        with pytest.raises(
            OptionError, match="needs the package deepgaze_pytorch, which is not installed and on no pa"
        ):
            make_prior("deepgaze1", weights=file)
    with pytest.raises(OptionError, match=r"no folder deepgaze_pytorch in .*expected a checkout, as `git clone"):
        make_prior("deepgaze1", weights=file, repo=str(tmp_path))
    (tmp_path / "deepgaze_pytorch").mkdir()
    (tmp_path / "deepgaze_pytorch/__init__.py").write_text("import no_such_module_of_anybody")
    before = list(sys.path)
    with pytest.raises(
        OptionError, match=r"importing deepgaze_pytorch failed with ModuleNotFoundError: .*commit c87b1"
    ):
        make_prior("deepgaze1", weights=file, repo=str(tmp_path))
    assert sys.path == before
    assert networks.PACKAGE not in sys.modules
    (tmp_path / "deepgaze_pytorch/__init__.py").write_text("other = 1")
    monkeypatch.setenv(networks.CHECKOUT, str(tmp_path))
    with pytest.raises(OptionError, match=r"has no DeepGazeI; expected a newer checkout"):
        make_prior("deepgaze1", weights=file)
    with pytest.raises(OptionError, match=r"deepgaze_pytorch was imported from .* before, not from"):
        make_prior("deepgaze1", weights=file, repo=str(repo))


# ---- scan paths -------------------------------------------------------------------------------------------------


def test_the_history_has_four_slots_by_hand() -> None:
    cpu = torch.device("cpu")
    past = torch.tensor([[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8], [0.9, 1.0]]])
    newest = [[0.9, 1.0], [0.7, 0.8], [0.5, 0.6], [0.3, 0.4]]
    torch.testing.assert_close(slots(past, 1, cpu), torch.tensor([newest]))
    two = slots(past[:, :2], 1, cpu)
    torch.testing.assert_close(two[:, :2], torch.tensor([[[0.3, 0.4], [0.1, 0.2]]]))
    assert two[:, 2:].isnan().all(), "NaN stands in both coordinates"
    for empty in (None, past[:, :0]):
        found = slots(empty, 2 if empty is None else 1, cpu)
        assert (found[:, 0] == 0.5).all()
        assert found[:, 1:].isnan().all()


def test_the_next_fixation_depends_on_the_last_ones(repo: Path, files: dict[str, Path]) -> None:
    prior = opened(DeepGaze3Prior, repo, files)
    blank = torch.full((2, 40, 40, 3), 90, dtype=torch.uint8)
    found = prior.log_density(blank, torch.tensor([[[0.9, 0.9], [0.2, 0.7]], [[0.9, 0.9], [0.7, 0.3]]]))
    for row, place in zip(found, [(8, 28), (28, 12)], strict=True):  # row, column: the stand-in stays near the last
        assert abs(int(row.argmax()) // 40 - place[0]) <= 2
        assert abs(int(row.argmax()) % 40 - place[1]) <= 2
    many = torch.rand(2, 7, 2)
    assert torch.equal(prior.log_density(blank, many), prior.log_density(blank, many[:, -4:]))
    middle = torch.full((2, 1, 2), 0.5)
    assert torch.equal(prior.log_density(blank), prior.log_density(blank, middle))
    with pytest.raises(OptionError, match="history holds places that are not finite"):
        prior.log_density(blank, torch.tensor([[[0.1, torch.nan]], [[0.1, 0.2]]]))
    prior._network.included_fixations = [-1]  # type: ignore[assignment]
    with pytest.raises(OptionError, match=r"includes fixations \[-1\], expected \[-1, -2, -3, -4\]"):
        prior.log_density(blank)


@pytest.mark.skipif(not REAL, reason=f"needs a checkout of DeepGaze, named by {networks.CHECKOUT}")
@pytest.mark.parametrize("kind", KINDS)
def test_the_real_classes_are_priors(kind: type[DeepGazePrior], tmp_path: Path) -> None:
    torch.save(networks.built(kind.model, REAL).state_dict(), tmp_path / kind.model.file)
    prior = kind(weights=str(tmp_path / kind.model.file), repo=REAL, size=128)
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    past = torch.tensor([[[0.2, 0.7]], [[0.5, 0.5]]])
    found = prior.log_density(images, past)
    assert found.shape == (2, 96, 96)
    torch.testing.assert_close(found.logsumexp((1, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(prior.log_density(images[:1], past[:1]), found[:1])
    assert prior.log_density(images, past[:, :0]).isfinite().all()
    assert not any(part.training for part in prior._network.modules())
    assert not {"clip", "einops"} & sys.modules.keys()
