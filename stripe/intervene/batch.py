"""What interventions share in a pass: labels, draws, the check of a row for every image."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from stripe.errors import ModelError


@dataclass
class Batch:
    """The labels of one forward pass, and the random draws that all its gates share.

    Every gate of a pass gets the same draw, so that all gates of an image come from one other
    image.

    Parameters
    ----------
    generator
        The generator of all random numbers, on the CPU.
    labels
        The class of each image, shape (B,), where it is known.
    n_images
        The number of images that the model was given, where it is known.
    """

    generator: Generator
    labels: Tensor | None = None
    n_images: int | None = None
    _drawn: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    def check_whole(self, name: str, rows: int) -> None:
        """Raise if the rows of the gate `name` are those of some images of the pass alone."""
        if self.n_images is not None and rows != self.n_images:
            raise ModelError(
                f"the gate {name!r} must have a row for each of the {self.n_images} images of a "
                f"batch, and has {rows}: the model splits its batch into pieces; give "
                "batches of the size of a piece"
            )

    def others(self, n_images: int) -> Int64[Tensor, " images"]:
        """Return another image of the batch for each image: a random cycle through all.

        Raises
        ------
        ModelError
            If there is only one image.
        """
        if n_images < 2:
            raise ModelError(
                'the intervention "shuffle" gives an image the gate of another one, and needs at '
                f"least 2 images in a batch, got {n_images}"
            )
        if (n_images, None) not in self._drawn:
            cycle = torch.randperm(n_images, generator=self.generator)
            others = torch.empty_like(cycle)
            others[cycle] = cycle.roll(1)
            self._drawn[n_images, None] = others
        return self._drawn[n_images, None]

    def recorded(self, n_images: int, among: int) -> Int64[Tensor, " images"]:
        """Return one of `among` recorded images for each image, drawn with replacement."""
        if (n_images, among) not in self._drawn:
            drawn = torch.randint(among, (n_images,), generator=self.generator)
            self._drawn[n_images, among] = drawn
        return self._drawn[n_images, among]
