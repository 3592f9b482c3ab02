"""Bits that flip and files that end too early, in every file of a recording and of a run."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stripe.errors import StripeError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.train import TrainConfig, train
from stripe.train.verify import verify_run

pytestmark = pytest.mark.slow

ARRAY = np.random.default_rng(0).random((200, 8)).astype(np.float32)
HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=8, pooled=False),)
)


def damaged(file: Path, rng: random.Random, count: int) -> Iterator[str]:
    """Yield after each damage of a file, which is as it was in the end."""
    content = file.read_bytes()
    try:
        for number in range(count):
            at = rng.randrange(len(content))
            if number % 4 == 3:
                file.write_bytes(content[:at])
                yield f"{file} cut at {at}"
                continue
            changed, bit = bytearray(content), rng.randrange(8)
            changed[at] ^= 1 << bit
            file.write_bytes(changed)
            yield f"{file} flipped at byte {at}, bit {bit}"
    finally:
        file.write_bytes(content)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for epoch in (0, 1):
            with writer.epoch(epoch) as part:
                part.write(np.arange(200), {"gate/g": ARRAY + epoch})
    return tmp_path / "r"


def test_every_damage_of_a_recording_is_named_and_none_is_read(
    recording: Path, times: Callable[[int, int], int], seed: int
) -> None:
    rng = random.Random(seed)
    files = [path for path in sorted(recording.rglob("*")) if path.is_file()]
    for file in files:
        if file.name == "LOCK":
            continue
        for what in damaged(file, rng, times(30, 2000)):
            with pytest.raises(StripeError) as raised:
                open_recording(recording).verify()
            assert file.name in str(raised.value), what
            for epoch in (0, 1):
                try:
                    values = open_recording(recording).values("g", epoch)
                except StripeError:
                    continue
                np.testing.assert_array_equal(values, ARRAY + epoch, err_msg=what)
    assert len(open_recording(recording).verify()) == 2


def test_pandas_alone_reads_flipped_bits_as_numbers(
    recording: Path, times: Callable[[int, int], int], seed: int
) -> None:
    """What the pages of the project say of other readers; ours refuses the same files."""
    file, silent, flips = recording / "data/epoch=0/part-0.parquet", 0, 0
    for what in damaged(file, random.Random(seed), times(200, 4000)):
        if "cut" in what:
            continue
        flips += 1
        try:
            read = np.stack(list(pd.read_parquet(file)["gate/g"]))
        except Exception:  # whatever a damaged file raises
            continue
        silent += not np.array_equal(read, ARRAY)
    print(f"pandas was silently wrong in {silent} of {flips} flips")  # noqa: T201
    assert silent > 0


def test_every_damage_of_a_run_is_named(
    fashion: Path, tmp_path: Path, times: Callable[[int, int], int], seed: int
) -> None:
    config = TrainConfig(
        dataset="fashion_mnist", data_root=fashion, backbone="resnet11", epochs=1, limit=16,
        batch_size=16, device="cpu", out=tmp_path / "run",
    )  # fmt: skip
    train(config, progress=False)
    rng = random.Random(seed)
    for file in [path for path in sorted(config.out.rglob("*")) if path.is_file()]:
        for what in damaged(file, rng, times(10, 1000)):
            with pytest.raises(StripeError) as raised:
                verify_run(config.out)
            assert "\n" not in str(raised.value), what
    assert set(verify_run(config.out)["state"]) == {"whole"}
