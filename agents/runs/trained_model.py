"""A trained model as an object: it embeds images, looks at them as it learnt to, and predicts, without its data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from gazeworld.envs.given_images import exact, listed, squares
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import EnvSeed, OptionError, Views, validated
from gazeworld.envs.vector_env import MOTOR
from gazeworld.envs.world import World, make_world_over
from gazeworld.models.method import Method, frozen

from ..planning.imagination import require_predictions
from ..policy import Memory, Policy, begun, make_policy, stepped
from ..probes.features import in_chunks, joined, quiet
from ..training.loop import POLICY
from .model_facts import ModelFacts

_AT_ONCE = 512
"""Images that are looked at side by side; the result does not depend on it."""
Choice = str | Mapping[str, Any] | None
"""How fixations are chosen: a policy's name, its name and options, or None for the model's own."""


@dataclass(frozen=True)
class Scan:
    """What was seen of n images in t views each, and what the model makes of it; all on the model's device.

    `poses` are (row, col) of each glimpse's centre in units of the image's side, where the world is one of saccades;
    `actions[:, i]` led from view i to view i + 1. `embeddings` are those of the views (z_i), `aggregate` that of the
    whole sequence (z_AGG).
    """

    views: UInt8[Tensor, "n t c h w"]
    poses: Float32[Tensor, "n t p"]
    actions: Float32[Tensor, "n t-1 a"]
    embeddings: Float[Tensor, "n t d"]
    aggregate: Float[Tensor, "n e"]


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel:
    """A trained world model, from `gazeworld.agents.load` or `from_pretrained`; in eval mode, on one device.

    Images are Pillow's, or arrays or tensors of bytes (uint8), one or any number, of any size: each is cut to its
    middle square (or squeezed, if the training images were) and brought to the side of the training images, reduced
    with antialiasing. Pillow's are converted to the colours that the model sees. Everything that could be wrong in
    silence is refused with OptionError: floats, other numbers of channels, transparency (see `envs.given_images`).
    What is given back is float32 on the model's device, without gradient; `encoder` is for those who train on.
    `name` is that of the run, `step` the number of optimiser steps, `facts` says everything else.
    """

    name: str
    step: int
    facts: ModelFacts
    method: Method

    def __repr__(self) -> str:
        c, h, w = self.view_shape
        seen = f"{c} x {h} x {w}" + (f" of images of {self.image_side}" if self.facts.image_side else "")
        return (
            f"TrainedModel({self.name!r}, {self.facts.method['name']}, step {self.step}, views {seen}, {self.device})"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of the training data, by label."""
        return self.facts.classes

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.method.parameters()).device

    @property
    def view_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a glimpse."""
        return self.facts.spec.view_shape

    @property
    def image_side(self) -> int:
        """Pixels along the side that images are brought to, where the model looks around in them; else that of a view.

        A model of objects takes pictures of them as they are views.
        """
        return self.facts.image_side or self.view_shape[1]

    @cached_property
    def encoder(self) -> nn.Module:
        """The encoder alone, for plain torch: uint8 views (b, c, h, w) in, embeddings (b, d) out, with gradients.

        It shares its weights with the model and is in eval mode until it is told otherwise.
        """
        return self.method.view_encoder().eval()

    @validated
    def embed(
        self, images: Any, *, policy: Choice = None, views: Views | None = None, seed: EnvSeed = 0
    ) -> Float[Tensor, "n e"]:
        """One embedding for each image: the aggregate of what the model sees of it.

        A model of glimpses looks around as `scan` does: by its own policy, with as many views as it observed in
        training, unless `policy` and `views` say otherwise. So where the policy draws, the embedding depends on the
        `seed`; it does not depend on what other images there are. A model whose views show whole images (augmentations)
        looks once at each as it is, a model of objects takes each image as one view; then there is nothing to choose.
        """
        if not self.facts.whole:
            return torch.cat([part.aggregate for part in self._scanned(images, policy, views, seed)])
        if policy is not None or views is not None:
            raise OptionError(
                "policy and views are given, but this model sees an image in one view; expected neither (None)"
            )
        return torch.cat([self._once(part, first) for part, first in self._parts(images)])

    @validated
    def scan(self, images: Any, *, policy: Choice = None, views: Views | None = None, seed: EnvSeed = 0) -> Scan:
        """Look around in each image, and tell where, what was seen, and what the model makes of it.

        `policy` is a name of the registry, a name with options, or None for the model's own; `views` are how many are
        looked at (None: as many as the model observed in training). All draws of an image are those of `seed`, wherever
        it stands among the images.
        Raises OptionError where there is nothing to look around in, and for a policy that cannot look here.
        """
        return joined(list(self._scanned(images, policy, views, seed)))

    @validated
    def embed_glimpses(self, views: Any) -> Float[Tensor, "n d"]:
        """One embedding for each view (z_i), taken as it is: views of another size than the model's are refused."""
        return self._encoded(exact(views, self.view_shape)[:, None])[:, 0]

    def predict(self, aggregate: Any, action: Any) -> Float[Tensor, "n d"]:
        """The embedding of the view that each action would lead to, from aggregates (n, e) and actions (n, a).

        To be compared, by cosine, with the `targets` of views. Raises ValueError for a method that predicts nothing.
        """
        predictor = require_predictions(self.method, "predict")
        rows = [self._numbers(name, given) for name, given in (("aggregate", aggregate), ("action", action))]
        with frozen(self.method):
            found = predictor.predict(*rows).float()
        return found.clone()  # outside inference mode: tensors made inside cannot meet autograd

    def targets(self, views: Any) -> Float[Tensor, "n d"]:
        """What a perfect prediction of each view would be: of many methods, the answer of a momentum encoder."""
        predictor = require_predictions(self.method, "targets")
        seen = exact(views, self.view_shape)[:, None].to(self.device)
        with frozen(self.method):
            found = torch.cat([predictor.goal(part).float() for part in seen.split(_AT_ONCE)])
        return found[:, 0].clone()

    def world(self, images: Any) -> World:
        """The world that the model learnt in, over these images: for `policy_in`, environments, collect.

        Raises OptionError for a model that does not look around in images.
        """
        return self._over(images, torch.cat([part for part, _ in self._parts(images)]), 0)

    def policy_in(self, world: World, policy: Choice = None) -> Policy:
        """A policy that looks with this model in a world of its kind; None is the model's own."""
        options = dict(self.facts.policy if policy is None else {"name": policy} if isinstance(policy, str) else policy)
        if not isinstance(name := options.pop("name", None), str):
            raise OptionError("policy has no entry 'name', expected the name of a policy and its options")
        try:
            made = make_policy(name, world, **options)
            made.attach(self.method)
        except ValueError as error:
            if policy is not None:
                raise
            raise OptionError(
                f"the model's own policy cannot look here; name another, as policy='uniform': {error}"
            ) from error
        return made

    def _parts(self, images: Any) -> Iterator[tuple[UInt8[Tensor, "b h w c"], int]]:
        """The images at the side that the model wants, and the number of the first of them, part by part."""
        channels, side = self.view_shape[0], self.image_side
        found = listed(images, channels)
        for first in range(0, len(found), _AT_ONCE):
            yield squares(found[first : first + _AT_ONCE], channels, side, self.facts.fit, first=first), first

    def _over(self, images: Any, pixels: UInt8[Tensor, "b h w c"], first: int) -> World:
        """The model's world over some of the images that were given."""
        facts = self.facts
        if not facts.image_side:
            raise OptionError(
                f"world {facts.world['name']!r} does not look around in images: embed takes each as one view, and "
                "embed_glimpses takes views"
            )
        plain = Images(
            name="images",
            split="given",
            pixels=pixels,
            labels=torch.full((len(pixels),), -1),
            classes=facts.classes,
            mean=facts.spec.mean,
            std=facts.spec.std,
            fingerprint="",
        )
        if isinstance(images, Images):
            rows = slice(first, first + len(pixels))
            maps = None if images.maps is None or images.side != plain.side else images.maps[rows]
            plain = replace(plain, labels=images.labels[rows], classes=images.classes, maps=maps)
        options = {key: value for key, value in facts.world.items() if key != "name"}
        try:
            return make_world_over(facts.world["name"], plain, **options, device=str(self.device))
        except ValueError as error:
            raise OptionError(f"the model's world cannot be had over these images: {error}") from error

    def _scanned(self, images: Any, policy: Choice, views: int | None, seed: int) -> Iterator[Scan]:
        length = self.facts.observed if views is None else views
        for pixels, first in self._parts(images):
            world = self._over(images, pixels, first)
            seen = _looked(world, self.policy_in(world, policy), length, seed)
            encoded = self._encoded(seen.views)
            yield Scan(seen.views, seen.poses, seen.actions, encoded, self._aggregate(encoded, seen.actions))

    def _once(self, pixels: UInt8[Tensor, "b h w c"], first: int) -> Float[Tensor, "b e"]:
        """Aggregates of one view of each image: the whole of it."""
        views = pixels.permute(0, 3, 1, 2)
        if self.facts.image_side:
            world, n = self._over(None, pixels, first), len(pixels)
            scene = world.scene(torch.arange(n, device=world.device), Draws.rows(0, n, device=world.device))
            middle = torch.tensor(world.middle, dtype=torch.float32, device=world.device)
            views = world.look(scene, world.snap(scene, middle.expand(n, -1)))
        nothing = torch.zeros(len(views), 0, self.facts.spec.action_dim, dtype=torch.float32, device=self.device)
        return self._aggregate(self._encoded(views[:, None]), nothing)

    def _encoded(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        device = self.device
        found = torch.empty(*views.shape[:2], self.method.view_dim, dtype=torch.float32, device=device)

        def encode(rows: slice) -> None:
            found[rows] = self.method.encode(views[rows].to(device)).float()

        with frozen(self.method):
            in_chunks(encode, len(views), device, "encoding views", quiet)
        return found

    def _aggregate(self, encoded: Float[Tensor, "b t d"], actions: Float32[Tensor, "b t-1 a"]) -> Float[Tensor, "b e"]:
        found = torch.empty(len(encoded), self.method.aggregate_dim, dtype=torch.float32, device=self.device)

        def aggregate(rows: slice) -> None:
            found[rows] = self.method.aggregate(encoded[rows], actions[rows].to(self.device)).float()

        with frozen(self.method):
            in_chunks(aggregate, len(encoded), self.device, "aggregating", quiet)
        return found

    def _numbers(self, name: str, given: Any) -> Tensor:
        try:
            found = torch.as_tensor(given, dtype=torch.float32, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise OptionError(f"{name} is no array of numbers: {error}") from error
        if not bool(torch.isfinite(found).all()):
            raise OptionError(f"{name} holds numbers that are not finite")
        return found


def _looked(world: World, policy: Policy, length: int, seed: int) -> Memory:
    """So many views of every image of a world, each as row 0 of an environment with this seed would have it."""
    seeds = torch.full((world.size,), (seed + 2**63) % 2**64 - 2**63, device=world.device)
    rows = Draws.seeded(seeds)
    episode, chosen = rows.fold(0), rows.fold(POLICY).fold(0)
    memory = begun(world, world.scene(torch.arange(world.size, device=world.device), episode))
    for i in range(1, length):
        action = policy.act(memory, chosen.fold(i)).action
        memory = stepped(world, memory, action, episode.fold(MOTOR).fold(i - 1))
    return memory
