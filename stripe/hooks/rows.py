"""Assemble the rows of each image from the pieces of a forward pass."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from stripe.errors import ModelError
from stripe.gates.shape import Shape
from stripe.hooks.places import RecordedPlace


class ProductRows(NamedTuple):
    """What one multiplication saw: rows of the gate, and of the averaged features if wanted."""

    gate: Float[Tensor, "rows length"]
    features: Float[Tensor, "rows channels"] | None
    shape: Shape


class RowOrder(NamedTuple):
    """The order of the rows of a gate.

    Parameters
    ----------
    by_piece
        In a module that multiplies several times for each piece of the batch: whether all
        products of the first piece come before those of the second.
    by_image
        With k rows per image: whether the rows of an image are adjacent, (B k), or all first rows
        of the images come before all second rows, (k B).
    """

    by_piece: bool = True
    by_image: bool = True


@dataclass
class PassValues:
    """The values from hooks in one forward pass, by gate, and the multiplications, by owner."""

    gates: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    features: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    products: dict[str, list[ProductRows]] = field(default_factory=lambda: defaultdict(list))

    def products_like(self, place: RecordedPlace) -> list[ProductRows]:
        """Return the products of the owner of a gate, among which the place is counted."""
        products = self.products[place.gate.owner]
        return [p for p in products if p.shape.of_signals is place.shape.of_signals]


class ImageRows(NamedTuple):
    """The k rows of each image of one gate; features are None where they are not recorded."""

    gate: Float[Tensor, "b k length"]
    features: Float[Tensor, "b j channels"] | None


def orders(place: RecordedPlace, taken: PassValues, n_images: int) -> list[RowOrder]:
    """Return the orders in which the rows of a gate may have come, the usual one first."""
    several = len(taken.products_like(place)) > place.period > 1
    folded = any(
        sum(map(len, blocks)) > n_images for blocks in _blocks(place, taken, RowOrder()) if blocks
    )
    return [
        RowOrder(by_piece, by_image)
        for by_piece in ((True, False) if several else (True,))
        for by_image in ((True, False) if folded else (True,))
    ]


def image_rows(
    place: RecordedPlace, taken: PassValues, n_images: int, order: RowOrder
) -> ImageRows:
    """Return the rows of each image.

    Raises
    ------
    ModelError
        If the number of rows per image differs from that when the gates were found, or the rows
        cannot be divided evenly among the images.
    """
    gates, features = _blocks(place, taken, order)
    gate = _shared_out(place, "gate", gates, n_images, order)
    k = place.gate.per_image_values
    if k != gate.shape[1] and (n_images > 1 or k):
        raise ModelError(
            f"the gate {place.gate.name!r} must have {k or 'as many'} rows per image, as when its "
            f"gates were found, got {gate.shape[1]} for each of {n_images}; record batches of one "
            "image, or leave it out with gates=[...]"
        )
    if not place.gate.pooled:
        return ImageRows(gate, None)
    return ImageRows(gate, _shared_out(place, "input of", features, n_images, order))


def _blocks(
    place: RecordedPlace, taken: PassValues, order: RowOrder
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the rows of the gate and of the features, in the pieces in which they came."""
    name = place.gate.name
    gates, features = taken.gates[name], taken.features[name]
    if place.count is not None and (not gates or not features):
        products = _of_place(place, taken.products_like(place), order)
        gates = gates or [product.gate for product in products]
        features = features or [p.features for p in products if p.features is not None]
    return gates, features


def _of_place(
    place: RecordedPlace, products: Sequence[ProductRows], order: RowOrder
) -> Sequence[ProductRows]:
    pieces, odd = divmod(len(products), place.period)
    if odd or place.count is None:
        raise ModelError(
            f"{place.gate.owner or 'the model'!r} must multiply by gates {place.period} times for "
            f"the same images, as when its gates were found, and did so {len(products)} times for "
            f"all; leave {place.gate.name!r} out with gates=[...]"
        )
    if order.by_piece:
        return products[place.count :: place.period]
    return products[place.count * pieces : (place.count + 1) * pieces]


def _shared_out(
    place: RecordedPlace, what: str, blocks: Sequence[Tensor], n_images: int, order: RowOrder
) -> Float[Tensor, "b k length"]:
    name = place.gate.name
    if not blocks:
        raise ModelError(
            f"the {what} {name!r} did not appear in this forward pass; every recorded gate must "
            "be called for every batch, or leave it out with gates=[...]"
        )
    if len(blocks) == 1 and len(blocks[0]) == n_images and place.shape.rows == 1:
        return blocks[0].unsqueeze(1)  # nearly always: a row for every image
    if len({block.shape[1] for block in blocks}) > 1:
        raise ModelError(
            f"the {what} {name!r} must have as many values in each piece of a batch, got "
            f"{[tuple(block.shape) for block in blocks]}; leave it out with gates=[...]"
        )
    rows = torch.cat(list(blocks)) if len(blocks) > 1 else blocks[0]
    if what == "gate" and place.gate.kind == "constant" and len(rows) == 1:
        rows = rows.expand(n_images, -1)
    k, odd = divmod(len(rows), n_images)
    if odd or not k:
        raise ModelError(
            f"the {what} {name!r} must have a row for every image of a batch, or as many for "
            f"each, got {len(rows)} rows for {n_images} images; leave it out with gates=[...], or "
            "record batches of one image"
        )
    if order.by_image:
        of_image = rows.reshape(n_images, k, -1)
    else:
        of_image = rows.reshape(k, n_images, -1).transpose(0, 1)
    if k % place.shape.rows:
        raise ModelError(
            f"the {what} {name!r} must have {place.shape.rows} rows for each image, one for each "
            f"group of channels, got {k}; leave it out with gates=[...]"
        )
    return of_image.reshape(n_images, k // place.shape.rows, -1)
