"""Shape annotations are checked while the tests run; every test starts from one thread and the same draws."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

from jaxtyping import install_import_hook

install_import_hook(["gazeworld"], "beartype.beartype")

import itertools  # noqa: E402
import random  # noqa: E402
import zlib  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

import gymnasium.utils.seeding  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from gazeworld.envs.validation import Options  # noqa: E402


def _self_checked(kind: type, /, *given: Any, **options: Any) -> Any:
    """Options check themselves; the checker of the tests would come first, and answer in words of its own."""
    kind.__init__.__no_type_check__ = True
    return object.__new__(kind)


Options.__new__ = _self_checked


_LONG = (
    "test_readme", "test_processes", "test_locks", "test_train", "test_sweep", "test_kills", "test_locales",
    "test_default_dtype", "test_3diebench", "test_scenarios", "test_train_jointly", "test_compare", "test_export_run",
)  # fmt: skip
"""Files that take half a minute or more. They begin first, so that no core has one left when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; `scripts/test` has pytest-xdist keep that order."""
    place = {name: i for i, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(_LONG)))


@pytest.fixture(autouse=True, scope="session")
def _threads() -> None:
    torch.set_num_threads(1)  # there are as many tests at work as cores; more threads only wait for each other


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two threads of torch, for tests of what changes their number and gives it back."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _repeatable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test leaves unseeded differs from draw to draw and is the same in every run: a failure can be repeated."""
    seeds = itertools.count(zlib.crc32(request.node.nodeid.encode()))
    entropic = gymnasium.utils.seeding.np_random
    monkeypatch.setattr(
        gymnasium.utils.seeding, "np_random", lambda seed=None: entropic(next(seeds) if seed is None else seed)
    )
    torch.manual_seed(next(seeds))
    np.random.seed(next(seeds) % 2**32)  # noqa: NPY002 — it is what third parties draw from
    random.seed(next(seeds))


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of the tests are their own, and shared within one run so that scenes are drawn once."""
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
