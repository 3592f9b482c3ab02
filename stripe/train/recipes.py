"""The paper's training settings, by network and data set."""

from dataclasses import fields, replace
from typing import Any

from stripe.errors import StripeError, UnknownNameError
from stripe.registry import listed, nearest
from stripe.train.config import TrainConfig
from stripe.typed import typed

#: Every model on CIFAR and STL10: "with epoch set to 164" (Appendix C).
EPOCHS = 164


def _steps(*epochs: int, of: int = EPOCHS) -> tuple[float, ...]:
    return tuple(epoch / of for epoch in epochs)


# Table 10 and the text above it; no warm-up, no autocast, as in the authors' script, and no
# attention unless it is asked for.
_TABLE_10 = TrainConfig(
    attention=None,
    dataset="cifar100",
    epochs=EPOCHS,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule="steps",
    decay_at=_steps(81, 122),
    gamma=0.1,
    warmup=0.0,
    precision="fp32",
)
_MOBILE = {"weight_decay": 5e-4, "decay_at": _steps(60, 120, 160), "gamma": 0.2}
_NETWORKS_10: dict[str, dict[str, Any]] = {
    "resnet83": {},
    "resnet164": {},
    "vgg19": _MOBILE,
    "shufflenetv2": _MOBILE,
    "mobilenet": _MOBILE,
    "repvgg_a0": {"decay_at": _steps(130)},
    "repvgg_b3": {"decay_at": _steps(130)},
    # ResNet-ACNet and the ResNets that Table 5 compares it with, as in ACNet's repository. The
    # column's gamma of 0.333 is no factor of the learning rate: see `ACBlock`.
    **{f"resnet{depth}_{kind}": {"schedule": "cosine"}
       for depth in (56, 110, 164) for kind in ("acnet", "basic")},
}  # fmt: skip

# Table 11; the crop of 224 is that of its caption.
_TABLE_11 = TrainConfig(
    attention=None,
    dataset="imagenet",
    image_size=224,
    epochs=100,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule="steps",
    decay_at=_steps(30, 60, 90, of=100),
    gamma=0.1,
    warmup=0.0,
    precision="fp32",
)
_VIT = {
    "optimizer": "adamw",
    "schedule": "cosine",
    "weight_decay": 5e-2,
    "lr": 5e-4,
    "epochs": 300,
    "batch_size": 256,
}
_NETWORKS_11: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet34": ("resnet34", {}),
    "resnet50": ("resnet50", {}),
    "resnet101": ("resnet101", {}),
    "vit_s_16": ("vit_s_16", _VIT),
    "vit_b_16": ("vit_b_16", _VIT),
    "vit_b_16_384": (
        "vit_b_16",
        {**_VIT, "weight_decay": 1e-8, "lr": 5e-6, "epochs": 30, "batch_size": 64}
        | {"image_size": 384},
    ),
}

#: Recipes that fine-tune: each needs `initial`, a network of the other recipe.
BEGINS_WITH = {"imagenet/vit_b_16_384": "imagenet/vit_b_16"}


def _recipes() -> dict[str, TrainConfig]:
    recipes = {}
    for name, differs in _NETWORKS_10.items():
        network = replace(_TABLE_10, backbone=name, **differs)
        recipes[f"cifar10/{name}"] = replace(network, dataset="cifar10")
        recipes[f"cifar100/{name}"] = network
        # The text gives STL10's batch size; the padding is ours, in proportion to its images.
        recipes[f"stl10/{name}"] = replace(network, dataset="stl10", batch_size=16, padding=12)
    for name, (backbone, differs) in _NETWORKS_11.items():
        recipes[f"imagenet/{name}"] = replace(_TABLE_11, backbone=backbone, **differs)
    return recipes


#: Settings by name, such as "cifar100/resnet164".
RECIPES = _recipes()


def list_recipes() -> list[str]:
    """Return the sorted names of the recipes.

    Examples
    --------
    >>> from stripe.train import list_recipes
    >>> "cifar100/resnet164" in list_recipes()
    True
    """
    return sorted(RECIPES)


@typed
def recipe(name: str, **overrides: Any) -> TrainConfig:
    """Return the paper's settings for training a network on a data set.

    Parameters
    ----------
    name
        A name from `list_recipes()`, such as "cifar100/resnet164" or "imagenet/vit_b_16".
    **overrides
        Fields of `TrainConfig` to change, such as `asr="se"` or `epochs=10`. If the number of
        epochs is changed, decays keep their relative positions in the run.

    Raises
    ------
    UnknownNameError
        If there is no such recipe.
    StripeError
        If an override is not a field, has the wrong type or is out of range, or if two settings
        cannot be combined.

    References
    ----------
    Tables 10 and 11, Appendix C. They mention neither warm-up nor label smoothing, so the recipes
    use neither. The padding of random crops is 4 pixels for CIFAR, as is common, and 12 for STL10,
    in proportion to its image size. Recipes train in fp32, as the authors' script does;
    `precision="bf16"` is faster. imagenet/vit_b_16_384 has a learning rate for fine-tuning, so set
    `initial` to a run of imagenet/vit_b_16.

    Examples
    --------
    >>> from stripe.train import recipe
    >>> recipe("cifar100/resnet164").epochs
    164
    """
    if name not in RECIPES:
        raise UnknownNameError(
            f"unknown recipe {name!r}; {nearest(name, RECIPES)}choose one of: "
            f"{listed(list_recipes())}"
        )
    known = {field.name for field in fields(TrainConfig)}
    if unknown := set(overrides) - known:
        raise StripeError(
            f"a recipe can be overridden in {listed(sorted(known))}; got {', '.join(unknown)}; "
            f"{nearest(min(unknown), known)}leave the others out"
        )
    return replace(RECIPES[name], **overrides)
