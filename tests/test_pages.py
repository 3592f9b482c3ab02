"""The code of README and docs runs from top to bottom, on less data where a page takes much."""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from page_files import given, write_files
from pages import ROOT, blocks_of, files_of, python_of, run_commands, run_page

FOLDERS = ("", "docs", "docs/howto", "docs/api", "docs/results", "docs/trust")
PAGES = [page for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
WITH_CODE = [page for page in PAGES if any(name in ("python", "sh") for name, _ in blocks_of(page))]


@dataclass(frozen=True)
class Given:
    """What a page takes as given, as its text says, and what a test replaces to be quick."""

    names: bool = False
    files: tuple[str, ...] = ()
    smaller: dict[str, str] = field(default_factory=dict)


#: A page that is not listed makes all that it uses, and is quick as it is.
GIVEN = {
    "README": Given(names=True),
    "docs/audit": Given(names=True, files=("runs/demo", "mine.py", "mine.safetensors", "my_photos",
                                           "lines")),
    "docs/compare": Given(smaller={'"limit": 2000': '"limit": 200'}),
    "docs/desk": Given(smaller={"stripe reproduce all": "stripe reproduce figure11"}),
    "docs/explore": Given(files=("runs/mine",)),
    "docs/figures": Given(smaller={
        '"epochs": 7': '"epochs": 1, "limit": 200', "head(500)": "head(64)", "[:32]": "[:4]",
        "style demo": "style demo --steps 2",
    }),
    "docs/index": Given(names=True),
    "docs/intervene": Given(files=("runs/a", "mine.py", "mine.safetensors", "photos")),
    "docs/onnx": Given(files=("model.onnx", "photos")),
    "docs/record": Given(names=True),
    "docs/reproduce": Given(),
    "docs/style": Given(files=("my_photos",), smaller={
        "style demo  ": "style demo --steps 2 ",
        "--content train2014 --style starry_night.jpg":
            "--content my_photos --features random:4 --size 16 --width 4 --steps 2 --batch-size 2 "
            "--workers 0 --draws 2",
        "needs a GPU": "on a GPU",
    }),
    "docs/train": Given(names=True, files=("animals",), smaller={
        'asr="se", noise': 'backbone="resnet8_basic", dataset="fashion-mini", epochs=1, limit=64, '
                           'asr="se", noise',
        "--recipe cifar100/resnet164 --asr se":
            "--backbone resnet8_basic --attention se --epochs 1 --limit 64",
        "--epochs 20": "--epochs 1 --image-size 32",
    }),
    "docs/howto/config": Given(smaller={"epochs=3": "epochs=1, limit=64"}),
    "docs/howto/folders": Given(files=("mine.py", "animals"),
                                smaller={"--epochs 20": "--epochs 1 --image-size 32"}),
    "docs/howto/noise": Given(files=("runs/a",),
                              smaller={"--asr se": "--asr se --epochs 1 --limit 64"}),
    "docs/howto/own_model": Given(files=("mine.py", "mine.safetensors", "photos", "animals"),
                                  smaller={"--dataset": "--epochs 1 --image-size 32 --dataset"}),
    "docs/howto/publish": Given(files=("runs/mine",)),
    "docs/howto/tensorboard": Given(smaller={"--tensorboard":
                                             "--tensorboard --limit 64 --epochs 1"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that pages name."""
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("as_a_user")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(
    page: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.stem == "ray":
        pytest.importorskip("ray")
    name = str(page.relative_to(ROOT).with_suffix(""))
    about = GIVEN.get(name, Given())
    for file in about.files:
        copy(files / file, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    run_page(page, {"__name__": "page", **(given() if about.names else {})}, about.smaller)
    code = python_of(page)
    drawn = len(re.findall(r"^ax = ", code, re.MULTILINE)) - code.count("save_figure(ax")
    assert len(plt.get_fignums()) >= drawn
    assert not [name for name in files_of(page) if not (tmp_path / name).is_file()]


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def test_every_page_with_settings_has_code() -> None:
    assert set(GIVEN) <= {str(page.relative_to(ROOT).with_suffix("")) for page in WITH_CODE}


@pytest.mark.parametrize("line", [
    "stripe stats index --no-such-option", "make nothing", "pip install -e '.[nothing]'",
    "ray start --head", "stripe stats index missing",
])  # fmt: skip
def test_a_command_that_does_not_exist_or_fails_is_found(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        run_commands(line)


def test_a_command_with_a_reason_is_only_read(tmp_path: Path) -> None:
    run_commands(f"stripe gallery --out {tmp_path / 'all'}  # takes minutes")
    assert not list(tmp_path.iterdir())
