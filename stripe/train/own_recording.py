"""Check that the recording of a run exists, and was made by that run."""

from pathlib import Path
from typing import Any, NamedTuple

from stripe.data import list_datasets
from stripe.errors import StripeError
from stripe.gates.fingerprint import fingerprint_of
from stripe.recording import Recording, open_recording
from stripe.recording.layout import OF_RUN
from stripe.train.checkpoint import latest_checkpoint, place_of
from stripe.train.run import CONFIG, WEIGHTS, read_values
from stripe.train.weights import weights_of


class _Reached(NamedTuple):
    """The last epoch that a run must have recorded, and its weights if they are in a file."""

    epoch: int
    weights: Path | None


def check_recording(run: Path) -> None:
    """Raise an error unless a run that records has recorded its last finished epoch.

    The recording must have the seed and the data set of the run, and the weights of that epoch: the
    last weights of a finished run, or a checkpoint at the end of an epoch. A run without a
    checkpoint is accepted, and so is a run that does not record.

    Raises
    ------
    StripeError
        If the recording is missing, cut or damaged, or of another run.
    """
    config = read_values(run / CONFIG)
    reached = _reached(run, config)
    if config.get("record") is not True or reached is None:
        return
    path = run / OF_RUN
    if not path.is_dir():
        raise StripeError(
            f"{path} is missing, though {run / CONFIG} says that the run records; restore it from "
            "a copy"
        )
    recording = open_recording(path)
    if reached.epoch not in (epochs := recording.epochs):
        raise StripeError(
            f"{path} must hold epoch {reached.epoch}, which its run has finished, and ends with "
            f"{epochs[-1] if epochs else 'none'}; restore it from a copy"
        )
    if (other := _other(config, recording, reached)) is not None:
        raise StripeError(
            f"{path} is the recording of another run than {run / CONFIG} ({other}): one of them "
            "was replaced; restore both from one copy"
        )


def _reached(run: Path, config: dict[str, Any]) -> _Reached | None:
    if (run / WEIGHTS).is_file():
        return _Reached(config["epochs"], run / WEIGHTS) if "epochs" in config else None
    if (latest := latest_checkpoint(run / "checkpoint")) is None:
        return None
    epoch, batch = place_of(latest)
    return _Reached(epoch, latest / WEIGHTS if batch == 0 else None)


def _other(config: dict[str, Any], recording: Recording, reached: _Reached) -> str | None:
    """Return how a recording differs from the run, or None if no difference is known."""
    header = recording.header
    seed, dataset = config.get("seed"), config.get("dataset")
    if header.seed not in (None, seed):
        return f"its seed is {header.seed}, not {seed}"
    data = header.dataset.removesuffix("/test")
    known = data in list_datasets() or data.startswith("folder:")
    if known and data != dataset:
        return f"its data set is {data}, not {dataset}"
    recorded = recording.weights(reached.epoch)
    if reached.weights is None or recorded is None:
        return None
    here = fingerprint_of(weights_of(reached.weights))
    differs = f"epoch {reached.epoch} has other weights than {reached.weights}"
    return None if here == recorded else differs
