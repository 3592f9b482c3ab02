"""What a run and its recording leave outlives a loss of power: all is flushed, in order."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stripe.train import TrainConfig, train

Event = tuple[str, Path]


@contextmanager
def traced() -> Iterator[list[Event]]:
    """Yield what is flushed, renamed and made, in order; a rename has two entries."""
    events: list[Event] = []

    def flushed(call: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(descriptor: int) -> None:
            events.append(("flush", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
            call(descriptor)

        return fsync

    def renamed(call: Callable[..., Any]) -> Callable[..., Any]:
        def rename(self: Path, target: Path) -> Any:
            events.extend((("from", self.absolute()), ("to", Path(target).absolute())))
            return call(self, target)

        return rename

    def made(call: Callable[..., Any]) -> Callable[..., Any]:
        def mkdir(self: Path, *args: Any, **options: Any) -> Any:
            if not self.exists():
                events.append(("make", self.absolute()))
            return call(self, *args, **options)

        return mkdir

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", flushed(os.fsync))
        for name, wrap in (("rename", renamed), ("replace", renamed), ("mkdir", made)):
            patch.setattr(Path, name, wrap(getattr(Path, name)))
        yield events


def test_every_file_of_a_run_is_flushed_before_its_name_and_its_folder_after(
    fashion: Path, tmp_path: Path
) -> None:
    config = TrainConfig(
        dataset="fashion_mnist", data_root=fashion, backbone="resnet11", attention="se", epochs=2,
        limit=16, batch_size=16, record=True, record_images=4, device="cpu",
        out=tmp_path / "some/new/run",
    )  # fmt: skip
    with traced() as events:
        train(config, progress=False)
    targets = set()
    for at, (what, path) in enumerate(events):
        before, after = events[:at], events[at:]
        if what == "from" and path.suffix == ".draft":
            assert ("flush", path) in before, path
        if what == "from" and events[at + 1][1].parent.name == "data":
            assert ("flush", path / "part-0.parquet") in before, path
        if what in ("to", "make") and path.exists():
            assert ("flush", path.parent) in after, path
            targets.add(path.name)
    assert targets >= {
        "some", "new", "run", "config.json", "history.csv", "history.parquet", "manifest.sha256",
        "model.safetensors", "recording.json", "head.json", "epoch=2", "2.json",
    }  # fmt: skip
