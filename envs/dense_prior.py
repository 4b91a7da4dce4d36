"""Fixations drawn by one pass over each scene's own map: for images too many for tables, and where the past counts.

Maps are asked of a `Prior` when they are needed, all missing ones in one call, and a bounded number of them is kept as
integer masses over the lattice. These are rounded on the CPU as those of a table are: from the same maps both draw the
same fixations with the same probabilities.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float32, Float64, Int64, Shaped, UInt8
from torch import Tensor

from . import alias_tables
from .fixation_prior import ROWS, FixationPrior, cell_of, rows_of
from .fixations import Inhibition, Lattice
from .map_sets import require_mass
from .prior import Prior
from .rng import Draws
from .saliency import centre_gaussian

Read = Callable[[Int64[Tensor, " b"]], UInt8[Tensor, "b h w c"]]
"""The pixels of the images at these indices, on a world's device."""
BUDGET = 128 << 20
"""Bytes of maps that are kept: 900 of images of 224 pixels with glimpses of 32."""


class Recent:
    """Rows of numbers by name, made when they are asked for; those that were not asked for the longest make room."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, budget: int = BUDGET) -> None:
        size = dtype.itemsize * torch.Size(shape).numel()
        self._rows = torch.empty((max(ROWS, budget // size), *shape), dtype=dtype, device=device)
        self._slots: OrderedDict[bytes, int] = OrderedDict()

    def __call__(
        self, names: Sequence[bytes], make: Callable[[Int64[Tensor, " missing"]], Shaped[Tensor, "missing *shape"]]
    ) -> Shaped[Tensor, "b *shape"]:
        """The rows of these names, at most ROWS; `make` is told which of the names are missing, each once."""
        missing: dict[bytes, int] = {}
        for i, name in enumerate(names):
            if name in self._slots:
                self._slots.move_to_end(name)
            else:
                missing.setdefault(name, i)
        if missing:
            made = make(torch.tensor(list(missing.values())))
            for name, row in zip(missing, made, strict=True):
                full = len(self._slots) == len(self._rows)
                slot = self._slots.popitem(last=False)[1] if full else len(self._slots)
                self._rows[slot] = row
                self._slots[name] = slot
        return self._rows[torch.tensor([self._slots[name] for name in names], device=self._rows.device)]


class DensePrior(FixationPrior):
    """A distribution over the legal fixations of each scene that another `Prior` gives, asked when it is needed.

    `read` gives the images of scenes; a stored prior, bound to them, is asked by their numbers alone. `sigma` > 0
    multiplies its density by a centre Gaussian of that width. `name` stands in error messages. At most `budget` bytes
    of maps are kept. On the CPU row i does not depend on its batch, if the prior's maps do not.
    Raises DataError, when it is asked, naming the first map without mass where a glimpse may lie.
    """

    def __init__(
        self,
        prior: Prior,
        read: Read,
        lattice: Lattice,
        *,
        sigma: float = 0.0,
        device: torch.device | str = "cpu",
        name: str = "maps",
        budget: int = BUDGET,
    ) -> None:
        super().__init__(lattice, device)
        self.remembers = prior.remembers
        self._maps = SceneMaps(prior, read, lattice.side, self.device, sigma)
        self._where = f"{name}, where a glimpse of {lattice.glimpse} px may lie (padding {lattice.padding!r})"
        cells = lattice.count**2
        # They sum to cells * UNIT.
        kind = torch.int32 if cells << alias_tables.UNIT_BITS < 2**31 else torch.int64
        self._recent = Recent((cells,), kind, self.device, budget)

    def sample(
        self,
        scenes: Int64[Tensor, " b"],
        rng: Draws,
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, "b 2"]:
        """The next fixation of every scene, away from the visited ones."""
        cells = [
            cell_of(self._inhibited(part, scenes, visited, inhibition), Draws(rng.keys[part]))
            for part in rows_of(len(scenes))
        ]
        return self._poses.index_select(0, torch.cat(cells))

    def masses(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b k 2"] | None = None
    ) -> Int64[Tensor, "b cells"]:
        """Those of the scenes' own maps, which may depend on what was visited."""
        parts = [
            self._recent(
                _names(scenes[part], past := self._past(part, visited)),
                lambda rows, part=part, past=past: self._make(
                    scenes[part][rows.to(scenes.device)], None if past is None else past[rows.to(past.device)]
                ),
            )
            for part in rows_of(len(scenes))
        ]
        return torch.cat(parts).long()

    def _past(self, part: slice, visited: Float32[Tensor, "b k 2"] | None) -> Float32[Tensor, "part k 2"] | None:
        return visited[part] if visited is not None and self.remembers else None

    def _make(self, scenes: Int64[Tensor, " b"], past: Float32[Tensor, "b k 2"] | None) -> Int64[Tensor, "b cells"]:
        window = self.lattice.window(self._maps(scenes, past).cpu())
        require_mass(window, self._where, scenes)
        return alias_tables.rounded(window).to(self.device)


class SceneMaps:
    """The whole maps that a prior gives of scenes, as probabilities; see DensePrior."""

    def __init__(self, prior: Prior, read: Read, side: int, device: torch.device, sigma: float = 0.0) -> None:
        self._prior, self._read, self._side, self._device = prior, read, side, device
        self._centre = centre_gaussian(side, sigma).to(device) if sigma else None

    def __call__(
        self, scenes: Int64[Tensor, " b"], past: Float32[Tensor, "b k 2"] | None = None
    ) -> Float64[Tensor, "b h w"]:
        """One map a scene, after these fixations. Not summing to 1 where there is a centre Gaussian."""
        if self._prior.stored:  # asked by its number alone: nothing has to be read
            blank = torch.zeros(1, 1, 1, 1, dtype=torch.uint8, device=self._device)
            images = blank.expand(len(scenes), self._side, self._side, 1)
        else:
            images = self._read(scenes)
        found = self._prior.log_density(images, past, index=scenes).double().exp()
        return found if self._centre is None else found * self._centre


def _names(scenes: Int64[Tensor, " b"], past: Float32[Tensor, "b k 2"] | None) -> list[bytes]:
    """What identifies the map of each row."""
    numbers = scenes.cpu().numpy()
    if past is None:
        return [number.tobytes() for number in numbers]
    places = past.cpu().numpy()
    return [number.tobytes() + place.tobytes() for number, place in zip(numbers, places, strict=True)]
