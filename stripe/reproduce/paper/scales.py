"""The scales at which exhibits are reproduced."""

from pathlib import Path

from stripe.errors import UnknownNameError
from stripe.registry import nearest
from stripe.reproduce.paper.desk import DESK
from stripe.reproduce.paper.scale_rules import Scale


def scale(name: str) -> Scale:
    """Return a scale by name, or raise an `UnknownNameError` that lists them."""
    if name not in SCALES:
        raise UnknownNameError(
            f"unknown scale {name!r}; {nearest(name, SCALES)}choose one of: {', '.join(SCALES)}"
        )
    return SCALES[name]


def _all_by(dataset: str, **others: str) -> dict[str, str]:
    """Return one replacement for all data sets of the paper, except for those in `others`."""
    return {**dict.fromkeys(("cifar10", "cifar100", "stl10", "imagenet"), dataset), **others}


_SHALLOW = {
    "resnet164": "resnet20",
    "resnet83": "resnet11",
    "vgg19": "vgg19",
    "shufflenetv2": "shufflenetv2",
    "mobilenet": "mobilenet",
    "repvgg_a0": "repvgg_a0",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    **{f"resnet{depth}_{kind}": f"resnet8_{kind}" for depth in (56, 110, 164)
       for kind in ("acnet", "basic")},
}  # fmt: skip
_TINY = {**_SHALLOW, "resnet164": "resnet11"}

_SHORT = {"schedule": "cosine", "warmup": 0.05, "lr": 0.1, "weight_decay": 5e-4, "optimizer": "sgd"}

#: The weights of the loss in the style demo, which uses random features.
_RANDOM = {"style_weight": 2.0, "variation_weight": 0.2, "workers": 0}

SCALES = {
    one.name: one
    for one in (
        Scale(
            name="paper",
            words="the paper's recipes and data",
            seeds=3,
            n_images=500,
            rounds=50,
            timed_images=64,
            painting={"content": Path("train2014"), "style": Path("style.jpg")},
        ),
        Scale(
            name="small",
            words="shallower networks of the same families, 20 epochs of Fashion-MNIST, or of "
            "photo-patches in the place of STL10",
            seeds=3,
            n_images=500,
            rounds=25,
            timed_images=32,
            painting={"steps": 2000, "width": 16},
            data=_all_by("fashion_mnist", stl10="photo-patches"),
            networks=_SHALLOW,
            fields={**_SHORT, "epochs": 20, "batch_size": 128, "padding": 2},
        ),
        DESK,
        Scale(
            name="smoke",
            words="the shallowest networks, one epoch of 1,000 images of fashion-mini (STL10: "
            "photo-patches), or four of 300 where gates are recorded: too short for any claim",
            seeds=2,
            n_images=100,
            rounds=4,
            timed_images=8,
            painting={**_RANDOM, "steps": 250, "size": 64, "width": 16, "features": "random:16"},
            conclusive=False,
            data=_all_by("fashion-mini", stl10="photo-patches"),
            networks=_TINY,
            fields={**_SHORT, "epochs": 1, "batch_size": 50, "limit": 1000, "padding": 2},
            watched={"epochs": 4, "limit": 300},
        ),
        Scale(
            name="test",
            words="two steps of training, or four: whether it runs, and nothing else",
            seeds=2,
            n_images=20,
            rounds=1,
            timed_images=2,
            painting={**_RANDOM, "steps": 2, "size": 32, "width": 4, "features": "random:4"},
            conclusive=False,
            data=_all_by("fashion-mini", stl10="photo-patches"),
            networks={"resnet164": "resnet11", "resnet83": "resnet11", "repvgg_a0": "repvgg_a0",
                      "resnet34": "resnet34", "resnet50": "resnet34",
                      "resnet56_acnet": "resnet8_acnet", "resnet56_basic": "resnet8_basic"},
            fields={**_SHORT, "epochs": 1, "batch_size": 32, "limit": 64, "padding": 2},
            watched={"epochs": 2},
        ),
    )
}  # fmt: skip
