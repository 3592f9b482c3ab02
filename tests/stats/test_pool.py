"""Statistics as a map over files and a merge: in processes, over several recordings, on Ray."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stripe.errors import RecordingError, StripeError
from stripe.recording import Header, RecordedGate, Recording, RecordingWriter, open_recording
from stripe.recording.schema import gate_column
from stripe.stats import channel_moments, processes, stripe_index

GATES = tuple(
    RecordedGate(name=name, owner=name, owner_class="Gated", channels=channels, pooled=False)
    for name, channels in (("a", 5), ("b", 3))
)


@pytest.fixture
def ranked(tmp_path: Path) -> Path:
    """Return a recording of 12 epochs by three processes, which threads stand for."""
    together = threading.Barrier(3)
    rng = np.random.default_rng(0)
    values = rng.random((12, 30, 8)).astype(np.float32)

    def wait() -> None:
        together.wait(60)

    def write(rank: int) -> None:
        path, header = tmp_path / "ranked", Header(gates=GATES)
        with RecordingWriter(path, header, rank=rank, processes=3, barrier=wait) as writer:
            for epoch in range(12):
                index = np.arange(rank, 30, 3)
                mine = values[epoch, index]
                with writer.epoch(epoch) as part:
                    vectors = {"a": mine[:, :5].copy(), "b": mine[:, 5:].copy()}
                    part.write(index, {gate_column(name): v for name, v in vectors.items()})

    threads = [threading.Thread(target=write, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return tmp_path / "ranked"


def naive(recording: Recording) -> pd.DataFrame:
    """Return mean and standard deviation of whole epochs at once, in float64."""
    rows = []
    for epoch in recording.epochs:
        for gate in ("a", "b"):
            values = recording.values(gate, epoch).astype(np.float64)
            rows += [
                (epoch, gate, channel, *numbers)
                for channel, numbers in enumerate(
                    zip(values.mean(0), values.std(0), values.min(0), values.max(0), strict=True)
                )
            ]
    return pd.DataFrame(rows, columns=["epoch", "gate", "channel", "mean", "std", "min", "max"])


def test_processes_give_the_same_to_the_bit(ranked: Path) -> None:

    recording = open_recording(ranked)
    here = channel_moments(recording)
    expected = naive(recording)
    assert (here["n"] == 30).all()
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(here[name], expected[name], rtol=1e-12)
    with processes(2) as over:
        pd.testing.assert_frame_equal(channel_moments(recording, over=over), here, check_exact=True)
        pd.testing.assert_frame_equal(
            stripe_index(recording, over=over), stripe_index(here), check_exact=True
        )
        some = channel_moments(recording, [3, 7], over=over)
    assert some["epoch"].unique().tolist() == [3, 7]
    pd.testing.assert_frame_equal(channel_moments(recording, [3, 3, 7]), some)


def test_several_recordings(ranked: Path, write_recording: Callable[..., Path]) -> None:
    other = write_recording({0: {"c": np.array([[1.0, 2], [3, 6]])}})
    both = [open_recording(ranked), open_recording(other)]
    table = channel_moments(both)
    assert table.columns[0] == "recording"
    assert table["recording"].unique().tolist() == [str(ranked), str(other)]
    for recording in both:
        mine = table[table["recording"] == str(recording.path)].drop(columns="recording")
        pd.testing.assert_frame_equal(
            mine.reset_index(drop=True), channel_moments(recording), check_exact=True
        )
    index = stripe_index(both)
    assert index.columns.tolist()[:3] == ["recording", "epoch", "gate"]
    assert len(index) == 12 * 2 + 1
    # Means 2 and 4, variances 1 and 4: one between channels, two and a half within.
    assert index["eta2"].iloc[-1] == pytest.approx(1 / (1 + 2.5))


def test_what_is_wrong_is_told(ranked: Path) -> None:
    recording = open_recording(ranked)
    with pytest.raises(RecordingError, match=r"holds no epoch 12; recorded: 0, 1"):
        channel_moments(recording, [12])
    with pytest.raises(RecordingError, match=r"given once, and .*ranked was given twice"):
        channel_moments([ranked, recording])
    with pytest.raises(StripeError, match="at least one process, got 0"), processes(0):
        pass
    broken = ranked / "data" / "epoch=5" / "part-1.parquet"
    content = bytearray(broken.read_bytes())
    content[len(content) // 3] ^= 1
    broken.write_bytes(bytes(content))
    with pytest.raises(RecordingError, match=r"epoch=5/part-1.parquet"), processes(2) as over:
        channel_moments(recording, over=over)


def test_the_command(
    ranked: Path, write_recording: Callable[..., Path], run: Callable[..., tuple[int, str]]
) -> None:
    code, here = run("stats", "moments", ranked, "--json")
    assert code == 0
    code, there = run("stats", "moments", ranked, "--json", "--workers=2")
    assert code == 0
    read = json.JSONDecoder().raw_decode  # a progress bar may come after it
    assert read(here)[0] == read(there)[0]
    other = write_recording({0: {"c": np.array([[1.0, 2], [3, 6]])}})
    code, said = run("stats", "index", ranked, other, "--json")
    assert code == 0
    assert {row["recording"] for row in read(said)[0]} == {str(ranked), str(other)}
    code, said = run("stats", "index", ranked, "--engine=ray", "--workers=2")
    assert code == 1
    assert "leave it out" in said


@pytest.fixture
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield made
    made.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Ray and its libraries warn of
def test_a_ray_cluster_gives_the_same_to_the_bit(cluster: Any, ranked: Path) -> None:

    from stripe.reproduce.engines import Ray

    recording = open_recording(ranked)
    here = channel_moments(recording)
    there = channel_moments(recording, over=Ray(address=cluster.address).map)
    pd.testing.assert_frame_equal(there, here, check_exact=True)
