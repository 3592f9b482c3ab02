"""Runs are handed out in order, each once what it needs is finished."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from stripe.reproduce.engines.order import Ready
from stripe.reproduce.store.measurement import MEASURED, Measurement
from stripe.reproduce.store.runs import StoredRun


@dataclass(frozen=True, kw_only=True)
class Needs(Measurement):
    """Needs the measurements of other folders."""

    needs: tuple[Path, ...] = field(default=())

    def awaited(self) -> list[Path]:
        """Return the folders that hold no number yet."""
        return [folder for folder in self.needs if not (folder / MEASURED).exists()]


def made(folder: Path, *needs: Path) -> StoredRun:
    return StoredRun(Needs(out=folder, needs=needs))


def finish(run: StoredRun) -> None:
    run.config.out.mkdir()
    (run.config.out / MEASURED).touch()


def test_what_is_not_ready_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    first, look, other = (tmp_path / name for name in ("first", "look", "other"))
    ready = Ready([made(first), made(look, first), made(other)])
    began = [ready.take(wait=False), ready.take(wait=False)]
    assert [run and run.config.out for run in began] == [first, other]
    assert ready.take(wait=False) is None
    for run in began:
        assert run is not None
        finish(run)
        ready.ended()
    last = ready.take()
    assert last is not None
    assert last.config.out == look


def test_a_thread_waits_for_what_may_come_and_no_longer(tmp_path: Path) -> None:
    first, look = tmp_path / "first", tmp_path / "look"
    for ends_well in (True, False):
        ready = Ready([made(first), made(look, first)])
        run = ready.take()
        assert run is not None
        came: list[StoredRun | None] = []
        waiting = threading.Thread(target=lambda ready=ready, came=came: came.append(ready.take()))
        waiting.start()
        if not ends_well:
            ready.ended()  # and left nothing
            waiting.join()
            assert came == [None]
            continue
        finish(run)
        ready.ended()
        waiting.join()
        assert came[0] is not None
        assert came[0].config.out == look
        (first / MEASURED).unlink()
        first.rmdir()


def test_nothing_is_handed_out_after_it_is_closed(tmp_path: Path) -> None:
    ready = Ready([made(tmp_path / str(number)) for number in range(3)])
    assert ready.take() is not None
    ready.close()
    assert ready.take() is None
