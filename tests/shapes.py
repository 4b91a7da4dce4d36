"""Objects whose views can be told apart by their bytes: each view shows its object's number and its own."""

import torch

from gazeworld.envs.objects.gallery import ArrayGallery, Objects
from gazeworld.envs.objects.latents import of_object
from gazeworld.envs.objects.rotations import Region


def objects(n: int = 6, v: int = 5, side: int = 8, classes: int = 3, seed: int = 0) -> Objects:
    """N objects with v views; pixel (0, 0) of a view is (object, view, 0), the rest is noise that belongs to both."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, v, side, side, 3), generator=generator, dtype=torch.uint8)
    pixels[:, :, 0, 0, 0] = torch.arange(n, dtype=torch.uint8)[:, None]
    pixels[:, :, 0, 0, 1] = torch.arange(v, dtype=torch.uint8)
    latents = torch.stack([of_object(Region("paper"), f"object {i}", seed, v) for i in range(n)])
    return Objects(
        name="shapes",
        split="train",
        gallery=ArrayGallery(pixels),
        latents=latents,
        labels=torch.arange(n) % classes,
        classes=tuple("abcdefghij"[:classes]),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        fingerprint=f"shapes{n}{v}{seed}",
        names=tuple(f"/{'abcdefghij'[i % classes]}/{i}/" for i in range(n)),
    )
