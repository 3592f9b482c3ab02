"""The images of a recording are found by the name of its data set, if their labels agree."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripe.data import load_dataset, recorded_images
from stripe.data.image_set import ImageSet
from stripe.data.sample import sample
from stripe.errors import DataError
from stripe.explorer.pictures import Pictures
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.schema import gate_column


def recorded(
    path: Path,
    labels: np.ndarray | None,
    dataset: str = "fashion-mini/test",
    images: tuple[int, ...] = (3, 8, 100),
    seed: int | None = None,
) -> Path:
    gate = RecordedGate(name="a", owner="a", owner_class="Gated", channels=2, pooled=False)
    header = Header(gates=(gate,), dataset=dataset, seed=seed)
    with RecordingWriter(path, header) as writer, writer.epoch(0) as part:
        vectors = {gate_column("a"): np.zeros((len(images), 2), np.float32)}
        part.write(np.array(images), vectors, label=labels)
    return path


def test_images_are_those_of_the_data_set(tmp_path: Path) -> None:
    labels = load_dataset("fashion-mini", "test").labels.numpy()[[3, 8, 100]]
    found = recorded_images(recorded(tmp_path / "a", labels))
    assert isinstance(found, ImageSet)
    assert found.name == "fashion-mini/test"


def test_images_with_other_labels_are_refused(tmp_path: Path) -> None:
    labels = load_dataset("fashion-mini", "test").labels.numpy()[[3, 8, 100]]
    with pytest.raises(DataError, match="must be those of fashion-mini/test"):
        recorded_images(recorded(tmp_path / "a", (labels + 1) % 10))
    with pytest.raises(DataError, match="must hold labels"):
        recorded_images(recorded(tmp_path / "b", None))
    with pytest.raises(DataError, match="names 'photos'"):
        recorded_images(recorded(tmp_path / "c", labels, dataset="photos"))


@pytest.fixture
def animals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data set of a folder; its image number n has the brightness 20 n."""
    for number in range(10):
        folder = tmp_path / "animals" / "val" / "abc"[number // 4]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (20 * number,) * 3).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return Path("animals")


def brightness(images: object, index: int) -> int:
    return int(Pictures(images).images[index].mul(255).round().max())


@pytest.mark.parametrize(
    "named", ["animals/val", "folder:animals", "folder:animals/test", "imagenet/test"]
)
def test_images_of_a_folder_are_found_by_its_name(named: str, animals: Path) -> None:
    if named.startswith("imagenet"):
        animals.rename("imagenet")
    labels = np.array([number // 4 for number in (3, 8, 9)])
    path = recorded(Path("a"), labels, dataset=named, images=(3, 8, 9))
    found = recorded_images(path, root=".")
    assert found.classes == ("a", "b", "c")
    assert [brightness(found, index) for index in (3, 8, 9)] == [60, 160, 180]
    other = recorded(Path("b"), (labels + 1) % 3, dataset=named, images=(3, 8, 9))
    with pytest.raises(DataError, match=r"labels in b must be those of .*, and differ"):
        recorded_images(other, root=".")


def test_a_limited_recording_has_its_own_numbers(animals: Path) -> None:
    drawn = sample(10, 4, seed=5).numpy()
    path = recorded(Path("a"), drawn // 4, dataset="animals/val", images=(0, 1, 2, 3), seed=5)
    found = recorded_images(path)
    assert len(found) == 4
    assert [brightness(found, index) for index in range(4)] == (20 * drawn).tolist()


def test_without_labels_the_number_of_images_decides(animals: Path) -> None:
    flat = animals / "val" / "a"
    found = recorded_images(recorded(Path("a"), None, dataset=str(flat), images=(0, 1, 2, 3)))
    assert [brightness(found, index) for index in range(4)] == [0, 20, 40, 60]
    with pytest.raises(DataError, match=r"must hold exactly the 3 images .* holds 4"):
        recorded_images(recorded(Path("b"), None, dataset=str(flat), images=(0, 1, 2)))
    with pytest.raises(DataError, match="at least 10 images, because image 9 was recorded"):
        recorded_images(recorded(Path("c"), None, dataset=str(flat), images=(0, 9)))


def test_a_folder_that_grew_is_refused_whatever_its_labels_say(animals: Path) -> None:
    """Its first eight images have the recorded labels, and nothing says that they were recorded."""
    labels = np.array([number // 4 for number in range(8)])
    path = recorded(Path("a"), labels, dataset="animals/val", images=tuple(range(8)))
    with pytest.raises(DataError, match=r"exactly the 8 images that were recorded, and holds 10"):
        recorded_images(path)


def test_the_page_shows_a_recorded_folder(animals: Path, run: object) -> None:
    path = recorded(Path("a"), np.array([0, 2, 2]), dataset="animals/val", images=(3, 8, 9))
    for number, options in enumerate(([], ["--images", "animals/val"])):
        code, said = run("explore", path, *options, "--out", f"{number}.html")  # type: ignore[operator]
        assert code == 0, said
        assert "no images are shown" not in said
