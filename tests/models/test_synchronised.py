"""Batch normalisation that shares its statistics: in one process it is the plain one, and nothing else changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from gazeworld.models.synchronised import SharedBatchNorm, synchronise

CPU = torch.device("cpu")


@pytest.fixture
def _group(tmp_path: Path) -> Iterator[None]:
    """A group of one process."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def networks(affine: bool, momentum: float | None, flat: bool) -> tuple[nn.Module, nn.Module]:
    """The same network twice, plain and with shared statistics."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        kind = nn.BatchNorm1d if flat else nn.BatchNorm2d
        layer = nn.Linear(5, 3) if flat else nn.Conv2d(5, 3, 3)
        made.append(nn.Sequential(layer, nn.Sequential(kind(3, affine=affine, momentum=momentum)), nn.Tanh()).double())
    return made[0], synchronise(made[1], CPU)


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(("affine", "momentum"), [(True, 0.1), (False, 0.3), (True, None)])
def test_alone_it_is_plain_batch_normalisation(affine: bool, momentum: float | None, flat: bool) -> None:
    plain, shared = networks(affine, momentum, flat)
    for step in range(3):
        rows = torch.randn(*((7, 5) if flat else (4, 5, 6, 6)), dtype=torch.float64) * 3 + 50 + step
        for network in (plain, shared):
            network.zero_grad()
            (network(rows) ** 3).sum().backward()
        for (name, a), b in zip(plain.named_parameters(), shared.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, msg=name)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(buffer, shared.get_buffer(name), msg=name)
    torch.testing.assert_close(plain.eval()(rows), shared.eval()(rows))


@pytest.mark.usefixtures("_group")
def test_one_value_per_channel_is_refused() -> None:
    _, shared = networks(affine=True, momentum=0.1, flat=True)
    with pytest.raises(ValueError, match="1 value per channel in all processes, expected at least 2"):
        shared(torch.ones(1, 5, dtype=torch.float64))


def test_weights_keep_their_names_and_places() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.LayerNorm(4))).eval()
    before = dict(network.named_parameters()) | dict(network.named_buffers())
    assert synchronise(network, CPU) is network
    after = dict(network.named_parameters()) | dict(network.named_buffers())
    assert {name: id(tensor) for name, tensor in after.items()} == {name: id(tensor) for name, tensor in before.items()}
    found = network.get_submodule("1.0")
    assert isinstance(found, SharedBatchNorm)
    assert not found.training
