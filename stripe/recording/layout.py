"""The layout of the directory of a recording."""

import re
from dataclasses import dataclass
from pathlib import Path

#: Name of the recording in the directory of a training run.
OF_RUN = "recording"
#: The file that makes a directory a recording.
HEADER = "recording.json"
#: Epochs are below this, so that every reader of Parquet can count them in 64 bits.
MOST_EPOCHS = 10**18
#: The name of an epoch; epoch=01 is not a valid name.
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Layout:
    """The paths of a recording under `root`."""

    root: Path

    @property
    def header(self) -> Path:
        """Return the path of the header."""
        return self.root / HEADER

    @property
    def lock(self) -> Path:
        """Return the path of the file that the one writer holds."""
        return self.root / "LOCK"

    @property
    def data(self) -> Path:
        """Return the directory of the finished epochs."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """Return the directory of the log records."""
        return self.root / "log"

    @property
    def head(self) -> Path:
        """Return the path of the head of the log, which lists the epochs."""
        return self.logs / "head.json"

    @property
    def staging(self) -> Path:
        """Return the directory of the work in progress."""
        return self.root / "staging"

    def epoch(self, epoch: int) -> Path:
        """Return the directory of a finished epoch."""
        return self.data / f"epoch={epoch}"

    def log(self, epoch: int) -> Path:
        """Return the path of an epoch's log record."""
        return self.logs / f"{epoch}.json"

    def staged(self, epoch: int) -> Path:
        """Return the directory in which an epoch is written."""
        return self.staging / f"epoch={epoch}"

    def epochs(self) -> list[int]:
        """Return the finished epochs, in order."""
        return _epochs_in(self.data)

    def being_moved(self) -> list[int]:
        """Return the epochs that are being written or dropped, in order."""
        return _epochs_in(self.staging)

    def logged(self) -> list[int]:
        """Return the epochs that have a log record, in order."""
        return sorted(_numbers(self.logs, "", ".json"))

    def drafts(self) -> list[Path]:
        """Return the drafts that a killed writer may have left, by their names."""
        of_logs = [self.log(number) for number in _numbers(self.logs, "", ".json.draft")]
        files = [self.header, self.head, *of_logs]
        return [file.with_name(f"{file.name}.draft") for file in files]


def _epochs_in(directory: Path) -> list[int]:
    return sorted(_numbers(directory, "epoch=", ""))


def _numbers(directory: Path, before: str, behind: str) -> list[int]:
    """Return the numbers between two ends of names in a directory."""
    paths = directory.glob(f"{before}*{behind}")
    names = [path.name.removeprefix(before).removesuffix(behind) for path in paths]
    return [int(name) for name in names if _NUMBER.fullmatch(name)]


def part_name(rank: int) -> str:
    """Return the name of the part that process `rank` writes."""
    return f"part-{rank}.parquet"


def recording_of(path: Path) -> Path:
    """Return the recording of a training run, or the path itself."""
    inside = path / OF_RUN
    is_run = (inside / HEADER).is_file() and not (path / HEADER).exists()
    return inside if is_run else path
