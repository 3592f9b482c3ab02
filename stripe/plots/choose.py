"""Which gate, epoch, images and channels a plot shows."""

import numpy as np

from stripe.errors import RecordingError, StripeError
from stripe.recording import Recording


def chosen_gate(recording: Recording, gate: str | None) -> str:
    """Return `gate`, or the deepest gate of the recording."""
    if gate is not None:
        return recording.gate(gate).name
    if not recording.header.channel_gates:
        raise RecordingError(f"{recording.path} holds no channel gates")
    return recording.header.channel_gates[-1].name


def chosen_epoch(recording: Recording, epoch: int | None) -> int:
    """Return `epoch`, or the last one recorded."""
    if epoch is not None:
        return epoch
    if not recording.epochs:
        raise RecordingError(f"{recording.path} holds no epoch yet; record one first")
    return recording.epochs[-1]


def generator(seed: int) -> np.random.Generator:
    """Return the generator that `seed`, 0 or more, starts."""
    if seed < 0:
        raise StripeError(f"a seed is 0 or more, got {seed}")
    return np.random.default_rng(seed)


def sample(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `count` of `total` positions in random order, without repeats."""
    if count < 1:
        raise StripeError(f"a plot shows at least one image and one channel, got {count}")
    return rng.choice(total, min(count, total), replace=False)


def of(count: int, total: int, what: str) -> str:
    """Write how many are shown: "channel (60 of 256)", or just "channel" if all are."""
    return what if count >= total else f"{what} ({count} of {total})"
