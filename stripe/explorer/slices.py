"""The data that the explorer page requests: one gate of one epoch at a time."""

import json
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stripe.errors import RecordingError, StripeError
from stripe.explorer.ablation import ablation_of
from stripe.explorer.costs import costs_of
from stripe.explorer.glance import glance
from stripe.explorer.pictures import SIDE, Pictures
from stripe.explorer.quantise import quantised
from stripe.recording import Recorded, Recording
from stripe.recording.runs import open_runs, short_names
from stripe.recording.same_images import unlike
from stripe.stats import epoch_difference

#: Largest size of the cache of values, in bytes.
_KEPT = 400_000_000
#: Largest number of thumbnails in one answer.
_MOST_PICTURES = 512


class Slices:
    """The data of recordings that a page can request, read on request.

    Parameters
    ----------
    data
        A recording or its directory, or several.
    images
        The recorded images, as for `Pictures`. Default: not shown.
    classes
        The names of the labels.
    costs
        Cost of freezing each gate of the first recording, as for `costs_of`. Default: not shown.

    Raises
    ------
    RecordingError
        If a recording has no epoch, no channel gates, or only moments.
    """

    def __init__(
        self,
        data: Recorded | Sequence[Recorded],
        *,
        images: Any = None,
        classes: Sequence[str] = (),
        costs: Any = None,
    ) -> None:
        shown = open_runs(data)
        self.recordings = [_values_of(run.recording) for run in shown]
        self._same_images = [run is shown[0] or not unlike(shown[0], run) for run in shown]
        paths = [recording.path for recording in self.recordings]
        self.names = short_names(paths)
        self.pictures = None if images is None else Pictures(images)
        self.classes = list(classes or getattr(images, "classes", ()))
        gates = [gate.name for gate in self.recordings[0].header.channel_gates]
        self.costs = {} if costs is None else costs_of(costs, gates)
        self.ablation = ablation_of(costs, gates)
        self._kept: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, request: str) -> bytes:
        """Answer a request such as "matrix/0/5/2/after".

        Raises
        ------
        StripeError
            If there is no such request, or its data does not exist.
        """
        kind, *arguments = request.split("/")
        answers: dict[str, Callable[..., bytes]] = {
            **{"about": self._about, "rows": self._rows, "glance": self._glance},
            **{"matrix": self._matrix, "exact": self._exact, "values": self._whole},
            **{"steps": self._steps, "images": self._images},
        }
        try:
            with self._lock:
                return answers[kind](*arguments)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StripeError(
                f"a request is one of {', '.join(answers)} with its numbers, got {request[:80]!r}"
            ) from error

    def about(self) -> dict[str, Any]:
        """Return the data that a page shows before it has read any value."""
        return {
            "runs": [
                {
                    "name": name,
                    "path": str(recording.path),
                    "model": recording.header.model,
                    "dataset": recording.header.dataset,
                    "epochs": recording.epochs,
                    "same_images": same,
                    "gates": [
                        {"name": gate.name, "channels": gate.channels, "pooled": gate.pooled}
                        for gate in recording.header.channel_gates
                    ],
                }
                for name, recording, same in zip(
                    self.names, self.recordings, self._same_images, strict=True
                )
            ],
            "classes": self.classes,
            "costs": self.costs,
            "ablation": self.ablation,
            "pictures": 0 if self.pictures is None else len(self.pictures),
            "note": "",
        }

    def _about(self) -> bytes:
        return _json(self.about())

    def _rows(self, run: str, epoch: str) -> bytes:
        rows = self.recordings[_natural(run)].rows(_natural(epoch))
        columns = {
            name: [None if value is None else int(value) for value in _plain(rows[name])]
            for name in ("image", "label", "prediction")
        }
        return _json(columns)

    def _glance(self, run: str, gate: str, epoch: str) -> bytes:
        labels = self.recordings[_natural(run)].rows(_natural(epoch))["label"]
        return _json(glance(self.values(run, gate, epoch, "after"), labels))

    def _matrix(self, *where: str) -> bytes:
        return quantised(self.values(*where)).packed()

    def _exact(self, run: str, gate: str, epoch: str, side: str, row: str) -> bytes:
        values: np.ndarray = self.values(run, gate, epoch, side)[_natural(row)]
        return values.tobytes()

    def _whole(self, *where: str) -> bytes:
        return self.values(*where).tobytes()

    def _steps(self, run: str, gate: str, image: str) -> bytes:
        recording = self.recordings[_natural(run)]
        name = recording.header.channel_gates[_natural(gate)].name
        return quantised(epoch_difference(recording, name, image_ids=[_natural(image)])[0]).packed()

    def _images(self, indices: str) -> bytes:
        wanted = [_natural(index) for index in indices.split(",")][:_MOST_PICTURES]
        if self.pictures is None:
            raise StripeError("there are no images to show; give images=")
        return struct.pack("<II", len(wanted), SIDE) + self.pictures.thumbnails(wanted).tobytes()

    def values(self, run: str, gate: str, epoch: str, side: str) -> np.ndarray:
        """Return the gate, or its pooled inputs, of every image of an epoch, from a cache.

        Parameters
        ----------
        run, gate, epoch
            Positions of recording and gate, and the number of the epoch, in digits.
        side
            "before" or "after".
        """
        key = (_natural(run), _natural(gate), _natural(epoch), side)
        if key not in self._kept:
            recording = self.recordings[key[0]]
            name = recording.header.channel_gates[key[1]].name
            read = {"after": recording.values, "before": recording.inputs}[side]
            self._kept[key] = read(name, key[2])
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _values_of(recording: Recording) -> Recording:
    """Return a recording that a page can show, or raise an error."""
    if not recording.header.channel_gates:
        raise RecordingError(f"{recording.path} holds no channel gates to look at")
    if not recording.header.per_image:
        raise RecordingError(
            f"{recording.path} holds moments only, recorded with values=False; the explorer shows "
            "values"
        )
    return recording


def _natural(digits: str) -> int:
    """Return the number that a string of ASCII digits writes; refuse any other string."""
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise ValueError(digits)
    return int(digits)


def _plain(column: Any) -> list[Any]:
    """Return the values of a column, with None for those that are missing."""
    return list(column.astype(object).where(column.notna(), None))


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
