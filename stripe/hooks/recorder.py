"""Record the gates of a model over the images of a loader."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stripe.errors import ModelError, StripeError
from stripe.gates.fingerprint import fingerprint
from stripe.hooks.batches import with_first_batch
from stripe.hooks.columns import gates_of_values
from stripe.hooks.earlier_labels import EarlierLabels
from stripe.hooks.epoch_rows import EpochRows, Rows, run_batches
from stripe.hooks.observer import Observer, Proofs
from stripe.hooks.places import recorded_places
from stripe.hooks.processes import current_rank
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.modules.cores import has_free_core
from stripe.modules.progress import progress_bar
from stripe.modules.uncompiled import uncompiled
from stripe.modules.unwrap import device_of, unwrapped
from stripe.recording import Header, RecordedGate, Recording, RecordingWriter, open_recording
from stripe.recording.aside import refuse_recorded
from stripe.recording.background import Background, Foreground
from stripe.recording.layout import Layout
from stripe.select import Selection
from stripe.typed import typed
from stripe.versions import library_versions


class Recorder:
    """Context manager that records gates into a directory, epoch by epoch.

    The model has hooks only while `record` runs. Batches are encoded on a separate thread or, if
    the network runs on all cores of a CPU, between forward passes. The directory holds each epoch
    completely or not at all. Under torch.distributed, every process creates a Recorder with the
    same path and records its share of the images. An epoch is committed when all processes have
    written their parts.

    Parameters
    ----------
    model
        Any network. A compiled network runs uncompiled while it is recorded.
    path
        A new or empty directory or, with `resume` or `overwrite`, the directory of a recording. If
        the first epoch fails, the directory stays unchanged.
    example
        A batch of images, (B, C, H, W), for finding the gates. Default: the first recorded batch.
        The attribute `gates` is then not available before that batch, and the first `record` raises
        the errors about the gates and about the directory. A directory that holds recorded epochs
        is refused at once, unless `resume` or `overwrite` is set.
    gates
        Gates to record: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`. A
        predicate chooses among all kinds of gate, including "response". Names and patterns choose
        among the default kinds of `stripe.find_gates`. Spatial maps are included only with
        `spatial`.
    inputs
        Also record the global average of the features that each gate multiplies ("before" in Figure
        2 of the ASR paper). If the network itself computes this average in float32 and passes it to
        a module, the value of the network is recorded.
    spatial
        Also record spatial attention maps, such as those of CBAM, each under its own name.
    values
        Record every value. If False, record only the mean, standard deviation and range of every
        channel over images, in float64. Use False if the values are too many to store.
    every
        Record only epochs whose number is a multiple of `every`; `record` skips the others.
    average
        If the batch dimension holds k frames, patches or flipped copies of each image, record the
        mean of the gate over them. `Gate.per_image_values` gives k. If False, record each of them
        as a separate gate, `name@0` to `name@k-1`.
    check
        Prove that each row of every gate belongs to its image, by another forward pass with the
        images in a different order. The first two batches of each size are checked. If a gate is
        equal for all images of a batch, up to four batches are checked for this gate. At the end of
        an epoch, a few images of the last batch are run again. If the rows of these images change,
        the whole last batch is checked. If the order of rows may depend on the content of the
        images, every batch is checked. If False, rows are assumed to be in the order of the images.
        Use False for models that draw random numbers in evaluation mode.
    resume
        Continue the recording in `path`, or begin one if there is none. Its gates, network, data
        set, seed and image shape, and the options `values` and `inputs`, must be the same.
    overwrite
        Rename the recording in `path` to `path`.old-1, or .old-2 and so on if that exists.
    name, dataset, seed
        Provenance, stored in the header. Default of `name`: the class of the model.

    Raises
    ------
    StripeError
        If both `resume` and `overwrite` are set, `every` is below 1, or the directory to be renamed
        or a folder in it is a symbolic link.
    ModelError
        If the model has no gates, is on the meta device or cannot be traced (see
        `stripe.find_gates`); or if `gates` is an empty list.
    UnknownNameError
        If the model has no gate of a given name or pattern, or a predicate chooses no gate.
    RecordingError
        If the directory cannot be written, is in use, or holds other files; if it holds recorded
        epochs, and neither `resume` nor `overwrite` is set; or, with `resume`, if its gates,
        network, data set, seed, image shape, `values` or `inputs` differ.

    Examples
    --------
    >>> with stripe.Recorder(model, "runs/a") as recorder:
    ...     recorder.record(loader, epoch=0, progress=False)
    8
    """

    _writer: RecordingWriter | None = None

    @typed
    def __init__(
        self,
        model: nn.Module,
        path: str | Path,
        example: Tensor | None = None,
        *,
        gates: Selection | None = None,
        inputs: bool = True,
        spatial: bool = False,
        values: bool = True,
        every: int = 1,
        average: bool = True,
        check: bool = True,
        resume: bool = False,
        overwrite: bool = False,
        name: str | None = None,
        dataset: str = "",
        seed: int | None = None,
    ) -> None:
        if resume and overwrite:
            raise StripeError("resume continues a recording, overwrite begins anew; give one")
        if every < 1:
            raise StripeError(f"every is 1 or more, got {every}")
        self.model = unwrapped(model)
        self.every = every
        if (device := device_of(self.model)) is not None and device.type == "meta":
            raise ModelError(
                "a network must have values to be recorded, and its weights are on the meta "
                "device; load them onto another one"
            )
        self._path, self._overwrite = Path(path).expanduser(), overwrite
        if not (resume or overwrite):
            refuse_recorded(Layout(self._path))
        self._choice, self._inputs, self._spatial = gates, inputs, spatial
        self._average, self._check = average, check
        self._header = Header(
            gates=(),
            model=name or type(self.model).__name__,
            model_class=type(self.model).__name__,
            dataset=dataset,
            seed=seed,
            per_image=values,
            versions=library_versions(),
        )
        self._proofs = Proofs()
        if example is not None:
            self._open(example)

    def _open(self, example: Tensor) -> None:
        """Find the gates and claim the directory."""
        self._places = recorded_places(
            self.model, example, self._choice, spatial=self._spatial, inputs=self._inputs
        )
        self._columns = {
            place.gate.name: [place.gate] if self._average else gates_of_values(place.gate)
            for place in self._places
        }
        gates = tuple(gate for of_place in self._columns.values() for gate in of_place)
        header = replace(self._header, gates=gates, input_shape=tuple(example.shape[1:]))
        self._writer = RecordingWriter(
            self._path, header, **current_rank()._asdict(), overwrite=self._overwrite
        )

    @property
    def writer(self) -> RecordingWriter:
        """The writer of the directory. Before the gates are found, `StripeError` is raised."""
        if self._writer is None:
            raise StripeError(
                "a Recorder knows its gates and epochs from its first batch, or from the start "
                "with example="
            )
        return self._writer

    @property
    def gates(self) -> list[RecordedGate]:
        """The recorded gates, in forward order. Before they are found, `StripeError` is raised."""
        return list(self.writer.header.gates)

    def __repr__(self) -> str:
        known = "" if self._writer is None else f", epochs {self.epochs}"
        return f"Recorder({type(self.model).__name__} into {str(self._path)!r}{known})"

    @property
    def epochs(self) -> list[int]:
        """The epochs in the recording, except those that `overwrite` will move aside."""
        return [] if (recorded := self._recorded()) is None else recorded.epochs

    def _recorded(self) -> RecordingWriter | Recording | None:
        """Return the source of the epochs: before the first batch, the directory."""
        if self._writer is not None or self._overwrite:
            return self._writer
        return open_recording(self._path) if Layout(self._path).header.is_file() else None

    def is_current(self, epoch: int) -> bool:
        """Return whether an epoch was recorded with the current weights of the model.

        The result is False if the epoch is not recorded. An epoch without a digest of its weights,
        as in format version 1, counts as current.
        """
        recorded = self._recorded()
        if recorded is None or epoch not in recorded.epochs:
            return False
        return recorded.weights(epoch) in (None, fingerprint(self.model))

    def discard(self, epoch: int) -> None:
        """Drop an epoch and all epochs recorded after it. Every process must call this method.

        Raises
        ------
        RecordingError
            If the epoch is not recorded, or the Recorder is closed.
        StripeError
            If the gates are not found yet.
        """
        self.writer.discard(epoch)

    @typed
    def record(self, loader: Iterable[Any], epoch: int, *, progress: bool = True) -> int:
        """Run the model over `loader` and commit its gates as one epoch.

        The model runs in evaluation mode, without gradients, and under the caller's autocast.
        Afterwards, the modes of its modules and torch's generators are restored, and the hooks are
        removed.

        Parameters
        ----------
        loader
            Batches of images, (images, labels) or (images, labels, indices). The indices identify
            the rows. Without indices, rows from a `DataLoader` are numbered by their positions in
            its data set, even if it shuffles, or its collate function sorts or leaves out items.
            For all other loaders, images are numbered from 0 in the order of arrival. These include
            a `DataLoader` of an `IterableDataset`, and a subclass of `DataLoader` with its own
            iteration.
        epoch
            Number of the epoch, which must not be recorded yet.
        progress
            Show a progress bar. If standard error is not a terminal, a line is written every ten
            seconds instead.

        Returns
        -------
        int
            Number of images that this process recorded; 0 for an epoch that `every` skips.

        Raises
        ------
        RecordingError
            In one of these cases:

            - the epoch is negative or already recorded;
            - an image occurs twice, or has another label than in the last recorded epoch (labels on
              a GPU are not compared);
            - the loader gives no image, the Recorder is closed, or the disk fails.
        ModelError
            In one of these cases:

            - the loader gives no batch, or is itself a tensor or a batch;
            - a batch does not consist of tensors, has another form, or does not fit the model;
            - the whole-number labels of a batch, (N,) or (N, 1), are not one per image;
            - a recorded gate is not computed for a batch, or is complex;
            - the rows of a gate do not belong to the images, or differ when the same images are run
              again;
            - an image has several rows of a gate, and `check` is False.

        Warns
        -----
        UserWarning
            If a gate depends on the other images of a batch or on random numbers, recorded values
            are not finite, labels are below 0 or left out because they are not one whole number per
            image, or the loader does not tell the order of its images.
        """
        if epoch % self.every:
            return 0
        if self._writer is None:
            first, loader = with_first_batch(self.model, loader)
            self._open(first)
        observer = Observer(self._places, self.model, self._proofs, check=self._check)
        bar = progress_bar(loader, f"record epoch {epoch}", progress)
        device = device_of(self.model)
        rows = EpochRows(self._columns, device)
        weights = fingerprint(self.model)  # may take seconds, and can be interrupted
        # On a CPU without a free core, a thread took more of the time of torch than its work takes.
        way_to_write = Background[Rows] if has_free_core(device) else Foreground[Rows]
        with (
            interrupts_held(),
            self.writer.epoch(epoch, weights=weights) as part,
            bar,
            undisturbed(self.model),
            uncompiled(),
            observer.hooked(),
            closing(run_batches(loader, observer, bar)) as batches,
            way_to_write(partial(rows.write, part)) as writing,
            interrupts_allowed(),
        ):
            if self._header.per_image:
                earlier = EarlierLabels(self._path, self.writer.epochs)
                count = rows.pass_on(batches, writing, earlier)
            else:
                count = rows.write_moments(part, batches)
        rows.warn_of_not_finite()
        return count

    def close(self) -> None:
        """Close the recording and release its lock."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.__exit__(*error)
