"""What the exhibits of a GPU hour need: whole data sets, and minutes."""

from collections.abc import Sequence

from benchmarks.gpu.exhibits import NAMES, reproduction_of, scale_name
from benchmarks.gpu.slices import Setting
from stripe.data import load_dataset
from stripe.data.splits import SPLITS
from stripe.errors import DataError
from stripe.reproduce.paper.scales import scale
from stripe.reproduce.store.cost import TRAINING_IMAGES, work
from stripe.train import TrainConfig


def require_data(setting: Setting) -> None:
    """Load the data sets of the exhibits, and raise an error if one is missing or not whole."""
    stand_ins = scale(scale_name(setting)).data or {}
    for name in sorted(set(stand_ins.values())):
        for split in SPLITS:
            found = load_dataset(name, split, root=setting.data_root)
            if split == "train" and len(found) != TRAINING_IMAGES[name]:
                raise DataError(
                    f"{name} must have {TRAINING_IMAGES[name]} training images, got {len(found)}; "
                    f"put the whole data set under {setting.data_root}, or give --data-root"
                )


def images_left(setting: Setting, names: Sequence[str] = NAMES) -> int:
    """Return the images that the unfinished trainings of exhibits will see, each training once."""
    once = {run.config.out: run for name in names for run in reproduction_of(name, setting).needed}
    return round(
        sum(
            work(run.config)
            for run in once.values()
            if isinstance(run.config, TrainConfig) and run.state != "finished"
        )
    )


def estimate(setting: Setting) -> str:
    """Return the minutes that Table 8, and all exhibits, need at the speed of `together`."""
    speeds = setting.result("together")["images_per_s_in_all"].values()
    words = []
    for what, names in (("Table 8", ("table8",)), ("all exhibits", NAMES)):
        minutes = images_left(setting, names) / max(speeds) / 60
        words.append(f"{what} {minutes:.1f} minutes")
    return f"left at the {max(speeds):.0f} images/s of ResNet20 trainings: {', '.join(words)}"
