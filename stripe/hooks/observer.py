"""The gates of every image, from batches with proven rows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.find import find_places
from stripe.hooks.capture import Capture, CheckedCapture
from stripe.hooks.places import RecordedPlace
from stripe.hooks.proof import Verdict, rotation, selections, some_of, verdict
from stripe.hooks.rows import ImageRows, PassValues, RowOrder, image_rows, orders
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.unwrap import modules_by_name
from stripe.registry import listed
from stripe.warn import warn

#: Largest number of batches that are tried for a gate whose rows are equal for all images.
_TRIES = 4

#: In how many batches at least rows are proven, since a model may keep something from one pass to
#: the next, or draw at random out of torch's sight.
_AGAIN = 2

#: Batches of more images than these are first proven by as few, at the end of an epoch.
_FEW = 4

#: The image at each place of a pass, and the values of the pass.
_Pass = tuple[list[int], PassValues]


@dataclass
class Proofs:
    """The proven orders of the rows of each gate.

    The keys are the gate's name and the number of images, because a model may process batches of
    different sizes in different ways.
    """

    orders: dict[tuple[str, int], RowOrder] = field(default_factory=dict)
    tries: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    mixed: set[str] = field(default_factory=set)
    finished: bool = False  # whether an epoch ended, and its hooks were compared with the products


class Observer:
    """Run a model over batches, and return the rows of every image.

    A pass over the same images in another order proves which row belongs to which image. The first
    two batches of each size are checked (a batch of two images by two passes), and up to four if a
    gate is equal for all images. If the model may order images by their content, every batch is
    checked. At the end, a few images of the last batch are run without the others. If their rows
    differ, the whole batch is checked. If batches hold one image, the first is run again after the
    second and after the last. The passes of the proof, and the first two batches of the first
    epoch, also compare the values from the hooks with the multiplied values.

    Parameters
    ----------
    places
        Places of the gates.
    model
        The network.
    proofs
        Proofs of earlier batches; new proofs are added.
    check
        Whether to prove the order of the rows. If False, it is assumed to be that of the images.
    """

    def __init__(
        self,
        places: Sequence[RecordedPlace],
        model: nn.Module,
        proofs: Proofs,
        *,
        check: bool = True,
    ) -> None:
        self._places = places
        modules = modules_by_name(model)
        self._capture = Capture(places, model, modules)
        self._checked = CheckedCapture(places, model, modules)
        self._to_compare = 0 if check and proofs.finished else _AGAIN
        self._model = model
        self._alone: tuple[Tensor, PassValues] | None = None
        self._last: tuple[Tensor, PassValues] | None = None
        self._suspects: set[str] = set()
        self._proofs = proofs
        self._check = check

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Keep hooks on the model; they are gone afterwards, whatever happens.

        Raises
        ------
        ModelError
            If the model keeps a gate from one image that comes alone for the next.
        """
        with self._capture.hooked():
            yield
        if self._suspects and self._alone is not None:
            self._refuse_kept(self._alone[0])

    def run(self, images: Tensor) -> tuple[Any, Mapping[str, ImageRows]]:
        """Run the model on images; return its output, and the rows of each image by gate.

        Raises
        ------
        ModelError
            If the rows of a gate are not those of the images.

        Warns
        -----
        UserWarning
            If the gate of an image depends on the other images of its batch.
        """
        output, taken = self._captured(images)
        rows = {place.gate.name: self._rows(place, taken, len(images)) for place in self._places}
        self._last = images, taken
        if len(images) == 1 and self._alone is None:
            self._alone = images, taken
        if self._check and (unproven := self._unproven(len(images))):
            self._prove(unproven, images, taken)
            rows |= {p.gate.name: self._rows(p, taken, len(images)) for p in unproven}
            self._last = None
        return output, rows

    def finish(self) -> None:
        """Prove the rows of the last batch, because state in a model may have changed them.

        Raises
        ------
        ModelError
            If the rows of a gate are not those of the images, or come in another order than before.
        """
        self._proofs.finished = True
        if not self._check or self._last is None:
            return
        images, taken = self._last
        if len(images) > _FEW and self._holds_for_some(images, taken):
            return
        before = dict(self._proofs.orders)
        self._prove(self._places, images, taken)
        for (name, count), order in before.items():
            if self._proofs.orders[name, count] != order:
                raise ModelError(_refusal(name, count, at_random=True))

    def _holds_for_some(self, images: Tensor, taken: PassValues) -> bool:
        """Tell whether a few images of a batch have the same rows without the others."""
        count, few = len(images), some_of(len(images))
        try:
            with self._proving(images):
                passes = [(few, self._checked.run(images[few])[1])]
        except Exception:  # of a model that takes batches of one size; the whole batch tells
            return False
        half = _in_half_precision(taken, images)
        orders = {
            p: self._proofs.orders.get((p.gate.name, count), RowOrder()) for p in self._places
        }
        judged = (_verdict(p, orders[p], taken, count, passes, half) for p in self._places)
        return max(judged, default=Verdict.SAME) <= Verdict.PROVEN

    def _prove(self, places: Sequence[RecordedPlace], images: Tensor, taken: PassValues) -> None:
        with self._proving(images):
            if len(images) == 1:
                self._prove_alone(images, taken)
            else:
                self._prove_together(places, images, taken)

    def _captured(self, images: Tensor) -> tuple[Any, PassValues]:
        """Run the model on images; first, what the hooks give is compared with the products.

        Later epochs are compared by the passes that prove their rows.
        """
        if not self._to_compare:
            return self._capture.run(images)
        self._to_compare -= 1
        with interrupts_held(), self._checked.hooked(), interrupts_allowed():
            return self._checked.run(images)

    def _unproven(self, n_images: int) -> list[RecordedPlace]:
        orders, tries = self._proofs.orders, self._proofs.tries
        return [
            place
            for place in self._places
            if (known := (place.gate.name, n_images)) not in orders
            or tries[known] < _AGAIN
            or not (place.static or n_images == 1)
        ]

    def _rows(self, place: RecordedPlace, taken: PassValues, n_images: int) -> ImageRows:
        order = self._proofs.orders.get((place.gate.name, n_images), RowOrder())
        if n_images > 1 and not self._check and len(orders(place, taken, n_images)) > 1:
            raise ModelError(
                f"the gate {place.gate.name!r} has several rows per image, whose order must be "
                "proven, and check=False; leave it out with gates=[...]"
            )
        return image_rows(place, taken, n_images, order)

    @contextmanager
    def _proving(self, images: Tensor) -> Iterator[None]:
        """Prepare for passes that prove rows: torch's generators are restored afterwards."""
        devices = [images.device] if images.device.type == "cuda" else []
        kept = torch.random.fork_rng(devices=devices)
        with interrupts_held(), kept, self._checked.hooked(), interrupts_allowed():
            yield

    def _prove_together(
        self, places: Sequence[RecordedPlace], images: Tensor, taken: PassValues
    ) -> None:
        count = len(images)
        half = _in_half_precision(taken, images)
        passes = [(s, self._checked.run(images[s])[1]) for s in selections(count)]
        judged = {place: self._judge(place, taken, passes, half) for place in places}
        wrong = [place for place, came in judged.items() if came is Verdict.WRONG]
        mixed = [place for place, came in judged.items() if came is Verdict.MIXED]
        if wrong and count > 3:  # the batch as a whole stays the same
            turned = rotation(count)
            passes = [(turned, self._checked.run(images[turned])[1])]
            still = [p for p in wrong if self._judge(p, taken, passes, half) is Verdict.WRONG]
            mixed += [place for place in wrong if place not in still]
            wrong = still
        if wrong or mixed:
            again = [([*range(count)], self._checked.run(images)[1])]
            suspects = wrong or mixed
            drawn = self._judge(suspects[0], taken, again, half) is not Verdict.SAME
            if wrong:
                raise ModelError(_refusal(wrong[0].gate.name, count, drawn))
            self._warn({place.gate.name for place in mixed}, drawn)

    def _prove_alone(self, images: Tensor, taken: PassValues) -> None:
        """Prove that an image that comes alone has the same rows before and after another one."""
        if self._alone is None or self._alone[0] is images:
            return
        before = [self._alone[1], taken]
        again = self._checked.run(self._alone[0])[1]
        half = _in_half_precision(taken, images)
        judged = {p: _verdict_alone(p, before, [again, taken], half) for p in self._places}
        if wrong := [place for place, came in judged.items() if came is Verdict.WRONG]:
            raise ModelError(_refusal(wrong[0].gate.name, 1, at_random=True))
        mixed = {place.gate.name for place, came in judged.items() if came is Verdict.MIXED}
        self._warn(mixed, drawn=True)
        same = (place for place, came in judged.items() if came is Verdict.SAME)
        self._suspects |= {place.gate.name for place in same if place.gate.kind != "constant"}
        self._proofs.orders |= {(place.gate.name, 1): RowOrder() for place in self._places}
        for place in self._places:
            self._proofs.tries[place.gate.name, 1] = _AGAIN

    def _refuse_kept(self, images: Tensor) -> None:
        """Refuse gates that were the same for images that came alone, and are kept between passes.

        Such a gate does not depend on the image in a pass that is traced now.
        """
        again = find_places(self._model, images)
        depending = {place.gate.name for place in again if place.gate.kind != "constant"}
        if kept := sorted(self._suspects - depending):
            raise ModelError(_refusal(kept[0], 1, at_random=True))

    def _judge(
        self, place: RecordedPlace, taken: PassValues, passes: list[_Pass], half: bool
    ) -> Verdict:
        """Return the verdict on a gate's rows in their likeliest order, which is kept."""
        images = len(passes[0][0])
        judged = {
            order: _verdict(place, order, taken, images, passes, half)
            for order in orders(place, taken, images)
        }
        order = min(judged, key=lambda order: judged[order])
        known = (place.gate.name, images)
        self._proofs.tries[known] += 1
        settled = judged[order] in (Verdict.PROVEN, Verdict.MIXED)
        if settled or self._proofs.tries[known] >= _TRIES:
            self._proofs.orders[known] = order
        return judged[order]

    def _warn(self, names: set[str], drawn: bool) -> None:
        if new := names - self._proofs.mixed:
            self._proofs.mixed |= new
            why = "the other images of a batch have a part in these gates of an image"
            remedy = "record batches of the size and order in which the network is used"
            if drawn:
                why = (
                    "something is drawn at random in evaluation, or kept between passes, and "
                    "changes these gates"
                )
                remedy = "record another epoch to see how much they vary"
            warn(f"{why}, which are recorded as they come: {listed(sorted(new))}; {remedy}")


def _verdict(
    place: RecordedPlace,
    order: RowOrder,
    taken: PassValues,
    n_images: int,
    passes: list[_Pass],
    half: bool,
) -> Verdict:
    try:
        before = image_rows(place, taken, n_images, order)
        after = [(s, image_rows(place, came, len(s), order)) for s, came in passes]
    except ModelError:  # the rows cannot come in this order
        return Verdict.WRONG
    return max(verdict(before, rows, selection, half) for selection, rows in after)


def _verdict_alone(
    place: RecordedPlace, before: Sequence[PassValues], after: Sequence[PassValues], half: bool
) -> Verdict:
    """Compare the rows of images that came alone, in two passes each."""
    old, new = (_joined([image_rows(place, taken, 1, RowOrder()) for taken in side])
                for side in (before, after))  # fmt: skip
    return verdict(old, new, [*range(len(before))], half)


def _joined(rows: Sequence[ImageRows]) -> ImageRows:
    features = [one.features for one in rows if one.features is not None]
    gate = torch.cat([one.gate for one in rows])
    return ImageRows(gate, torch.cat(features) if features else None)


def _in_half_precision(taken: PassValues, images: Tensor) -> bool:
    blocks = [rows for group in (taken.gates, taken.features) for rows in group.values()]
    formats = {block.dtype for rows in blocks for block in rows} | {images.dtype}
    formats |= {product.gate.dtype for rows in taken.products.values() for product in rows}
    autocast = torch.is_autocast_enabled(images.device.type)
    return autocast or not formats.isdisjoint({torch.float16, torch.bfloat16})


def _refusal(name: str, n_images: int, at_random: bool) -> str:
    if at_random:
        return (
            f"the gate {name!r} must be the same whenever it is computed for the same images, and "
            "differs: something is drawn at random in evaluation, or kept from one pass to the "
            "next; leave it out with gates=[...], or record it unchecked with check=False"
        )
    return (
        f"the rows of the gate {name!r} must follow the images of a batch, and do not when the "
        "images come in another order: the model puts them in an order of its own, or computes the "
        "gate from the whole batch; record batches of one image"
        f"{', or of 4 and more' if n_images < 4 else ''}, or leave it out with gates=[...]"
    )
