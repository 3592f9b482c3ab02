"""The images of a recording are found by the name of its data set, if their labels agree."""

from pathlib import Path

import numpy as np
import pytest

from stripe.data import load_dataset, recorded_images
from stripe.errors import DataError
from stripe.recording import Gate, Header, RecordingWriter
from stripe.recording.schema import gate_column


def recorded(path: Path, labels: np.ndarray | None, dataset: str = "fashion-mini/test") -> Path:
    gate = Gate(name="a", owner="a", owner_class="Gated", channels=2, pooled=False)
    with RecordingWriter(path, Header(gates=(gate,), dataset=dataset)) as writer:
        images = np.array([3, 8, 100])
        with writer.epoch(0) as part:
            vectors = {gate_column("a"): np.zeros((3, 2), np.float32)}
            part.write(images, vectors, label=labels)
    return path


def test_images_are_those_of_the_data_set(tmp_path: Path) -> None:
    labels = load_dataset("fashion-mini", "test").labels.numpy()[[3, 8, 100]]
    found = recorded_images(recorded(tmp_path / "a", labels))
    assert found.name == "fashion-mini/test"


def test_images_with_other_labels_are_refused(tmp_path: Path) -> None:
    labels = load_dataset("fashion-mini", "test").labels.numpy()[[3, 8, 100]]
    with pytest.raises(DataError, match="must be those of fashion-mini/test"):
        recorded_images(recorded(tmp_path / "a", (labels + 1) % 10))
    with pytest.raises(DataError, match="must hold labels"):
        recorded_images(recorded(tmp_path / "b", None))
    with pytest.raises(DataError, match="names 'photos'"):
        recorded_images(recorded(tmp_path / "c", labels, dataset="photos"))
